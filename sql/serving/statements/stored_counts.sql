-- How many users have a list under a version, and how many rows these lists have.
SELECT count(*) AS n_users, coalesce(sum(cardinality(item_ids)), 0)::bigint AS n_recommendations
FROM {storage}.user_lists
WHERE version = %(version)s;
