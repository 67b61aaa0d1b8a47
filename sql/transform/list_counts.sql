-- Users with a list, and different items in their lists; one row.
SELECT count(DISTINCT user_id) AS n_users, count(DISTINCT item_id) AS n_items FROM recommendations
