"""Copies what is live to Redis or Valkey, for apps that look lists up by key.

    lists     every list of the live publication as JSON
    server    the Redis server: connecting, and one clear error for whatever it refuses
    editions  whole copies beside each other, and the pointer to the one that apps read
    statements  what is asked of PostgreSQL (sql/export/)
    redis     compares the copy with what is live, and copies; erases a user

Nothing is computed here: the lists are those that PostgreSQL serves. The keys are named in reading/keys.py.
"""
