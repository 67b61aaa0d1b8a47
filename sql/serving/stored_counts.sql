-- What was loaded under a version.
SELECT count(*) AS n_users, coalesce(sum(cardinality(item_ids)), 0)::bigint AS n_recommendations
FROM {storage}.user_lists
WHERE version = %(version)s;
