-- Who this login is, and what it may do beyond what the shop's reader may, in words; at most a few of each kind.
WITH acting AS (
    SELECT roles.*, roles.rolname = session_user AS is_login
    FROM pg_catalog.pg_roles AS roles
    WHERE pg_catalog.pg_has_role(session_user, roles.oid, 'MEMBER')
),

reader AS (
    SELECT roles.oid FROM pg_catalog.pg_roles AS roles WHERE roles.rolname = %(reader)s
),

beyond AS (
    SELECT 1 AS kind, 'is a superuser' AS words FROM acting WHERE acting.rolsuper AND acting.is_login
    UNION ALL
    SELECT 2, 'may act as ' || acting.rolname
    FROM acting
    WHERE acting.rolname = ANY (%(others)s::text[]) OR acting.rolname LIKE 'pg\_%%' OR acting.rolsuper
    UNION ALL
    SELECT 3, 'may create roles or databases, replicate, or get past row security'
    FROM acting
    WHERE acting.rolcreaterole OR acting.rolcreatedb OR acting.rolreplication OR acting.rolbypassrls
    UNION ALL
    SELECT 4, 'may write to ' || relation.oid::regclass
    FROM pg_catalog.pg_class AS relation
    CROSS JOIN acting
    LEFT JOIN reader ON true
    WHERE relation.relkind IN ('r', 'p', 'v', 'm', 'f')
        AND relation.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
        AND (
            has_table_privilege(acting.oid, relation.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
            OR has_any_column_privilege(acting.oid, relation.oid, 'INSERT, UPDATE')
        )
        AND NOT coalesce(
            has_table_privilege(reader.oid, relation.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
            OR has_any_column_privilege(reader.oid, relation.oid, 'INSERT, UPDATE'),
            false
        )
    UNION ALL
    SELECT 5, 'may create tables in ' || namespace.nspname
    FROM pg_catalog.pg_namespace AS namespace
    CROSS JOIN acting
    LEFT JOIN reader ON true
    WHERE namespace.nspname NOT LIKE 'pg\_%%'
        AND has_schema_privilege(acting.oid, namespace.oid, 'CREATE')
        AND NOT coalesce(has_schema_privilege(reader.oid, namespace.oid, 'CREATE'), false)
)

SELECT
    session_user::text AS login,
    EXISTS (SELECT FROM acting JOIN reader ON reader.oid = acting.oid) AS is_reader,
    current_setting('row_security') = 'on' AS has_row_security,
    ARRAY(
        SELECT DISTINCT ON (beyond.kind) beyond.words
        FROM beyond
        ORDER BY beyond.kind, beyond.words
    ) AS beyond;
