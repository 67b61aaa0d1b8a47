"""The handler without a server: answers a shop's apps from AWS Lambda. It computes nothing.

    aws       what Lambda calls
    events    calls as the gateways of AWS and other programs make them, and replies as those take them
    door      from a call to its reply
    database  one connection, kept between calls and made anew where it is dead
    secret    the URL of the reader's login, from the environment or AWS Secrets Manager
    records   one JSON line for each call, which CloudWatch reads as log and as metrics

The routes are those of the HTTP service: pipeline/reading/routes.py.
"""
