-- Some users that have a list.
SELECT
    shop.version,
    shop.max_n,
    json_build_object('version', shop.version, 'user_ids', coalesce(chosen.user_ids, '[]'))::text AS body
FROM {schema}.shop
CROSS JOIN LATERAL (
    SELECT json_agg(listed.user_id) AS user_ids
    FROM (
        SELECT recommendations.user_id FROM {schema}.recommendations
        WHERE recommendations.rank = 1
        LIMIT least(%(n)s::integer, shop.max_n)
    ) AS listed
) AS chosen;
