-- What is like an item, as JSON.
SELECT
    live.version,
    json_build_object(
        'version', live.version,
        'item_id', %(item_id)s::{item_id_type},
        'items', coalesce(list.items, '[]')
    )::text AS body
FROM (SELECT max(publications.version) AS version FROM {schema}.publications WHERE is_live) AS live
CROSS JOIN LATERAL (
    SELECT json_agg(to_json(named) ORDER BY named.rank) AS items
    FROM (
        SELECT
            listed.rank, listed.similar_item_id AS item_id, NULL::text AS name, NULL::text AS category, listed.score
        FROM {schema}.similar_items AS listed
        WHERE listed.item_id = %(item_id)s::{item_id_type} AND listed.rank <= %(n)s::integer
    ) AS named
) AS list;
