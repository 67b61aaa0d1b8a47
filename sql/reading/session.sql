-- What goes with the items of a basket, as JSON.
SELECT
    live.version,
    json_build_object('version', live.version, 'items', coalesce(list.items, '[]'))::text AS body
FROM (SELECT max(publications.version) AS version FROM {schema}.publications WHERE is_live) AS live
CROSS JOIN LATERAL (
    SELECT json_agg(CASE WHEN %(explain)s::boolean THEN to_json(explained) ELSE to_json(named) END ORDER BY named.rank) AS items
    FROM (
        SELECT
            listed.rank, listed.item_id, NULL::text AS name, NULL::text AS category, listed.score, listed.source,
            listed.reason, listed.because_item_id, NULL::text AS because_name
        FROM {schema}.recommend(NULL, %(n)s::integer) AS listed
        WHERE %(item_ids)s::{item_id_type}[] IS NOT NULL
    ) AS named
    CROSS JOIN LATERAL (
        SELECT named.*, 'popular in the shop' AS explanation
    ) AS explained
) AS list;
