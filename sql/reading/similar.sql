-- What is like an item, without blocked items; ranks are 1, 2, 3, ... among those shown.
SELECT
    shop.version,
    shop.max_n,
    json_build_object(
        'version', shop.version,
        'item_id', %(item_id)s::{item_id_type},
        'name', asked.name,
        'category', asked.category,
        'items', coalesce(list.items, '[]')
    )::text AS body
FROM {schema}.shop
LEFT JOIN {schema}.items AS asked ON asked.item_id = %(item_id)s::{item_id_type}
CROSS JOIN LATERAL (
    SELECT json_agg(to_json(named) ORDER BY named.rank) AS items
    FROM (
        SELECT
            shown.rank,
            shown.item_id,
            item.name,
            item.category,
            shown.score
        FROM (
            SELECT
                row_number() OVER (ORDER BY listed.rank) AS rank,
                listed.similar_item_id AS item_id,
                listed.score
            FROM {schema}.similar_items AS listed
            WHERE listed.item_id = %(item_id)s::{item_id_type}
                AND NOT {schema}.is_blocked(listed.similar_item_id)
            ORDER BY listed.rank
            LIMIT least(%(n)s::integer, shop.max_n)
        ) AS shown
        LEFT JOIN {schema}.items AS item ON item.item_id = shown.item_id
    ) AS named
) AS list;
