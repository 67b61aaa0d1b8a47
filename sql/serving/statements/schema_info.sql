-- The version of the schema, and the id types of its columns.
SELECT schema_version, user_id_type, item_id_type FROM {storage}.schema_info;
