-- The best sellers of the shop, or of a category: the list of somebody unknown, which has no blocked items.
SELECT
    shop.version,
    shop.max_n,
    json_build_object(
        'version', shop.version,
        'category', %(category)s::text,
        'segment', NULL,
        'items', coalesce(list.items, '[]')
    )::text AS body
FROM {schema}.shop
CROSS JOIN LATERAL (
    SELECT json_agg(to_json(named) ORDER BY named.rank) AS items
    FROM (
        SELECT
            listed.rank,
            listed.item_id,
            item.name,
            item.category,
            listed.score
        FROM {schema}.recommend(NULL::{user_id_type}, %(n)s::integer, %(category)s::text) AS listed
        LEFT JOIN {schema}.items AS item ON item.item_id = listed.item_id
    ) AS named
) AS list;
