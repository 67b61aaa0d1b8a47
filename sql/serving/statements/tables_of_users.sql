-- Every table of the storage schema that has a column user_id.
SELECT tables.relname::text AS name
FROM pg_catalog.pg_class AS tables
JOIN pg_catalog.pg_namespace AS schemas ON schemas.oid = tables.relnamespace
JOIN pg_catalog.pg_attribute AS columns ON columns.attrelid = tables.oid
WHERE schemas.nspname = %(storage)s AND tables.relkind = 'r' AND columns.attname = 'user_id'
ORDER BY tables.relname;
