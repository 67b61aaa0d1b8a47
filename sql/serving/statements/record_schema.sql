-- Record the version that the schema has now, and, when it is new, the id types of its columns.
INSERT INTO {storage}.schema_info (schema_version, user_id_type, item_id_type)
VALUES (%(version)s, %(user)s, %(item)s)
ON CONFLICT (is_only) DO UPDATE SET schema_version = excluded.schema_version, migrated_at = now();
