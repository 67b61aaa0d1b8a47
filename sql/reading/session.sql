-- What goes with the items of a basket.
SELECT
    shop.version,
    shop.max_n,
    json_build_object(
        'version', shop.version,
        'given', coalesce(basket.given, '[]'),
        'items', coalesce(list.items, '[]')
    )::text AS body
FROM {schema}.shop
CROSS JOIN LATERAL (
    SELECT json_agg(
            json_build_object('item_id', named.item_id, 'name', named.name, 'category', named.category)
            ORDER BY named.place
        ) AS given
    FROM (
        SELECT
            once.item_id,
            item.name,
            item.category,
            once.place
        FROM (
            SELECT
                given.item_id,
                min(given.place) AS place
            FROM unnest(%(item_ids)s::{item_id_type}[]) WITH ORDINALITY AS given (item_id, place)
            GROUP BY given.item_id
        ) AS once
        LEFT JOIN {schema}.items AS item ON item.item_id = once.item_id
    ) AS named
) AS basket
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
        FROM {schema}.recommend_from(%(item_ids)s::{item_id_type}[], %(n)s::integer) AS listed
        LEFT JOIN {schema}.items AS item ON item.item_id = listed.item_id
        LEFT JOIN {schema}.items AS because ON because.item_id = listed.because_item_id
    ) AS named
    CROSS JOIN LATERAL (
        SELECT
            named.*,
            {schema}.reason_in_words(named.item_id, named.reason, named.because_item_id) AS explanation
    ) AS explained
) AS list;
