-- What a door has to know before it asks.
SELECT shop.schema_version, shop.user_id_type, shop.item_id_type, shop.max_n, shop.version
FROM {schema}.shop;
