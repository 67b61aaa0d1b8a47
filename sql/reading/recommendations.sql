-- The list of a user, within a category unless that is null.
SELECT
    shop.version,
    shop.max_n,
    json_build_object(
        'version', shop.version,
        'user_id', %(user_id)s::{user_id_type},
        'category', %(category)s::text,
        'items', coalesce(list.items, '[]')
    )::text AS body
FROM {schema}.shop
CROSS JOIN LATERAL (
    SELECT
        json_agg(
            CASE WHEN %(explain)s::boolean THEN to_json(explained) ELSE to_json(named) END ORDER BY named.rank
        ) AS items
    FROM (
        SELECT
            listed.rank,
            listed.item_id,
            item.name,
            item.category,
            listed.score,
            listed.source,
            listed.reason,
            listed.because_item_id,
            because.name AS because_name
        FROM {schema}.recommend(%(user_id)s::{user_id_type}, %(n)s::integer, %(category)s::text) AS listed
        LEFT JOIN {schema}.items AS item ON item.item_id = listed.item_id
        LEFT JOIN {schema}.items AS because ON because.item_id = listed.because_item_id
    ) AS named
    CROSS JOIN LATERAL (
        SELECT
            named.*,
            {schema}.reason_in_words(
                %(user_id)s::{user_id_type}, named.item_id, named.reason, named.because_item_id
            ) AS explanation
    ) AS explained
) AS list;
