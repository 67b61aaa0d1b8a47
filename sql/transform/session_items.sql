-- The items given in at least one measured basket, as numbered in the history: those whose lists judging needs.
-- Reads: session_orders, item_rows.
SELECT DISTINCT r.item_row
FROM session_orders AS o
JOIN item_rows AS r ON r.item_id = o.item_id
WHERE o.place > 1
ORDER BY r.item_row
