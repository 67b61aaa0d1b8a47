-- The process that holds the publishers' lock, what it calls itself, and, if this login may see it, since when.
SELECT
    locks.pid,
    activity.application_name,
    activity.xact_start AS since
FROM pg_catalog.pg_locks AS locks
LEFT JOIN pg_catalog.pg_stat_activity AS activity USING (pid)
WHERE locks.locktype = 'advisory'
    AND locks.granted
    AND locks.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
    AND locks.classid::bigint = %(space)s
    AND locks.objid::bigint = %(key)s
    AND locks.objsubid = 2
    AND locks.pid <> pg_catalog.pg_backend_pid();
