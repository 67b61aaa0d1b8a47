-- Other transactions that hold locks of some modes on tables of some schemas; `tables` are names of tables or of
-- their indexes, none for all tables. With is_any_writer every transaction in this database that has written.
-- Those that only wait behind another of them are left out. What this login may not see of a session is null.
WITH wanted AS (
    SELECT tables.oid
    FROM pg_catalog.pg_class AS tables
    JOIN pg_catalog.pg_namespace AS schemas ON schemas.oid = tables.relnamespace
    WHERE schemas.nspname = ANY (%(schemas)s::text[])
        AND (
            cardinality(%(tables)s::text[]) = 0
            OR tables.relname = ANY (%(tables)s::text[])
            OR EXISTS (
                SELECT FROM pg_catalog.pg_index AS of_table
                JOIN pg_catalog.pg_class AS indexes ON indexes.oid = of_table.indexrelid
                WHERE of_table.indrelid = tables.oid AND indexes.relname = ANY (%(tables)s::text[])
            )
        )
),
holder AS (
    SELECT DISTINCT locks.pid, locks.virtualtransaction
    FROM pg_catalog.pg_locks AS locks
    LEFT JOIN pg_catalog.pg_stat_activity AS activity USING (pid)
    WHERE locks.granted
        AND locks.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
        AND CASE
            WHEN %(is_any_writer)s
                THEN locks.locktype = 'transactionid' AND activity.datname = current_database()
            ELSE locks.locktype = 'relation'
                AND locks.mode = ANY (%(modes)s::text[])
                AND locks.relation IN (SELECT wanted.oid FROM wanted)
                AND locks.database IN (
                    0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
                )
        END
)
SELECT
    holder.pid,
    prepared.gid AS prepared_as,
    coalesce(activity.usename, prepared.owner)::text AS login,
    activity.application_name,
    host(activity.client_addr) AS client,
    coalesce(activity.xact_start, prepared.prepared) AS since,
    activity.state,
    activity.query,
    pg_catalog.pg_blocking_pids(holder.pid) AS waits_for
FROM holder
LEFT JOIN pg_catalog.pg_stat_activity AS activity USING (pid)
LEFT JOIN pg_catalog.pg_prepared_xacts AS prepared
    ON holder.pid IS NULL
    AND prepared.transaction::text = split_part(holder.virtualtransaction, '/', 2)
WHERE NOT EXISTS (
    SELECT FROM holder AS other
    WHERE other.pid = ANY (pg_catalog.pg_blocking_pids(holder.pid))
)
ORDER BY since, holder.pid;
