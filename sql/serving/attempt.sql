-- The note of one attempt.
SELECT version FROM {storage}.attempt WHERE version = %(version)s;
