"""The HTTP service: what is published, for apps, and a page for people. It computes nothing.

    run         starts it: settings, login, port, clean stop
    app         puts it together
    middleware  what every request passes: its path, its host, its token, its log line, its headers
    routes      what apps ask for;  operations: health, metrics and the like;  pages: what people open
    database    connections to the serving database, and what is said where it does not answer
    replies     answers, errors, ETag and caching

A request is one statement of pipeline.reading, so that version and rows are of one snapshot.
"""
