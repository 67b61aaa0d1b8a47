-- Ids of the users who must have a list: those who take part, except users whose list may hold none of the
-- shelf's items.
-- Reads: user_rows, left_out, shelf_items.
WITH own AS (
    SELECT l.user_id, count(*) AS n_items
    FROM left_out AS l
    JOIN shelf_items AS s ON s.item_id = l.item_id
    GROUP BY l.user_id
)
SELECT u.user_id
FROM user_rows AS u
LEFT JOIN own AS o ON o.user_id = u.user_id
WHERE coalesce(o.n_items, 0) < (SELECT count(*) FROM shelf_items)
ORDER BY u.user_id
