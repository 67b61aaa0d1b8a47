-- Whether this transaction is the only export of this schema to Redis.
SELECT pg_try_advisory_xact_lock(hashtextextended('nightshelf export ' || %(storage)s, 0)) AS is_free;
