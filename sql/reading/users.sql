-- Some users that have a list, as JSON.
SELECT
    live.version,
    json_build_object('version', live.version, 'user_ids', coalesce(chosen.user_ids, '[]'))::text AS body
FROM (SELECT max(publications.version) AS version FROM {schema}.publications WHERE is_live) AS live
CROSS JOIN LATERAL (
    SELECT json_agg(listed.user_id) AS user_ids
    FROM (
        SELECT recommendations.user_id FROM {schema}.recommendations
        WHERE recommendations.rank = 1
        ORDER BY recommendations.user_id
        LIMIT %(n)s::integer
    ) AS listed
) AS chosen;
