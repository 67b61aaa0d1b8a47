-- How many of the shelf's items may be in the list of at least one of those who take part; one row.
-- Reads: shelf_items, left_out, user_rows.
WITH owned AS (
    SELECT l.item_id, count(*) AS n_users
    FROM left_out AS l
    JOIN user_rows AS u ON u.user_id = l.user_id
    GROUP BY l.item_id
)
SELECT count(*) AS n_shown
FROM shelf_items AS s
LEFT JOIN owned AS o ON o.item_id = s.item_id
WHERE coalesce(o.n_users, 0) < (SELECT count(*) FROM user_rows)
