-- The best sellers of the shop, or of a category, as JSON.
SELECT
    live.version,
    json_build_object('version', live.version, 'items', coalesce(list.items, '[]'))::text AS body
FROM (SELECT max(publications.version) AS version FROM {schema}.publications WHERE is_live) AS live
CROSS JOIN LATERAL (
    SELECT json_agg(to_json(named) ORDER BY named.rank) AS items
    FROM (
        SELECT
            listed.rank, listed.item_id, NULL::text AS name, NULL::text AS category, listed.score
        FROM {schema}.popular_items AS listed
        WHERE listed.category = coalesce(%(category)s::text, 'all') AND listed.rank <= %(n)s::integer
    ) AS named
) AS list;
