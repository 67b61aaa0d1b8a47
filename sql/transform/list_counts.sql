-- How many users have a list, and how many different items the lists hold; one row.
-- Reads: recommendations.
SELECT count(DISTINCT user_id) AS n_users, count(DISTINCT item_id) AS n_items FROM recommendations
