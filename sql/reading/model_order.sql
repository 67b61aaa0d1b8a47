-- The first items of a user's list in the model's own order, without blocked items; `rank` is the place they have in the
-- list. None where the list has no variety, or there is no list.
SELECT
    shop.version,
    shop.max_n,
    json_build_object(
        'version', shop.version,
        'user_id', %(user_id)s::{user_id_type},
        'items', coalesce(list.items, '[]')
    )::text AS body
FROM {schema}.shop
CROSS JOIN LATERAL (
    SELECT json_agg(to_json(named) ORDER BY named.model_rank) AS items
    FROM (
        SELECT
            listed.rank,
            listed.model_rank,
            listed.item_id,
            item.name,
            item.category
        FROM (
            SELECT own.rank, own.model_rank, own.item_id
            FROM {schema}.model_order AS own
            WHERE own.user_id = %(user_id)s::{user_id_type}
            ORDER BY own.model_rank
            LIMIT least(%(n)s::integer, shop.max_n)
        ) AS listed
        LEFT JOIN {schema}.items AS item ON item.item_id = listed.item_id
    ) AS named
) AS list;
