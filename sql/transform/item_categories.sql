-- The number of each item's category, by name; null where the shop gives none.
SELECT r.item_row, CAST(dense_rank() OVER (ORDER BY i.category) - 1 AS INTEGER) AS category
FROM item_rows AS r
JOIN items AS i ON i.item_id = r.item_id
WHERE i.category IS NOT NULL
ORDER BY r.item_row
