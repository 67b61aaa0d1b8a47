-- The list of a user, as JSON; with a category, within it.
SELECT
    live.version,
    json_build_object(
        'version', live.version,
        'user_id', %(user_id)s::{user_id_type},
        'items', coalesce(list.items, '[]')
    )::text AS body
FROM (SELECT max(publications.version) AS version FROM {schema}.publications WHERE is_live) AS live
CROSS JOIN LATERAL (
    SELECT json_agg(CASE WHEN %(explain)s::boolean THEN to_json(explained) ELSE to_json(named) END ORDER BY named.rank) AS items
    FROM (
        SELECT
            listed.rank, listed.item_id, NULL::text AS name, NULL::text AS category, listed.score, listed.source,
            listed.reason, listed.because_item_id, NULL::text AS because_name
        FROM {schema}.recommend(%(user_id)s::{user_id_type}, %(n)s::integer) AS listed
        WHERE %(category)s::text IS NULL
    ) AS named
    CROSS JOIN LATERAL (
        SELECT named.*, {schema}.explain(%(user_id)s::{user_id_type}, named.item_id) AS explanation
    ) AS explained
) AS list;
