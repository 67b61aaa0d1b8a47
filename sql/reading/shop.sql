-- The types of the shop's ids, from the view that apps read.
SELECT
    max(format_type(columns.atttypid, NULL)) FILTER (WHERE columns.attname = 'user_id') AS user_id_type,
    max(format_type(columns.atttypid, NULL)) FILTER (WHERE columns.attname = 'item_id') AS item_id_type
FROM pg_catalog.pg_attribute AS columns
JOIN pg_catalog.pg_class AS relation ON relation.oid = columns.attrelid
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relation.relnamespace
WHERE relation.relname = 'recommendations' AND namespace.nspname = %(schema)s;
