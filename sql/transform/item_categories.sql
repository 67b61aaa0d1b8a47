-- The category of each item as a number: 0, 1, ... in the order of the categories' names. Items without a category
-- have no row, and categories of which no item was touched have no number.
-- Reads: item_rows, items.
SELECT r.item_row, CAST(dense_rank() OVER (ORDER BY i.category) - 1 AS INTEGER) AS category
FROM item_rows AS r
JOIN items AS i ON i.item_id = r.item_id
WHERE i.category IS NOT NULL
ORDER BY r.item_row
