-- What the migrations have made.
SELECT schema_version, user_id_type, item_id_type FROM {storage}.schema_info;
