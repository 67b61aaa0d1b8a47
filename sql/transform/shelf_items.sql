-- Ids of the items that a list may hold: somebody who takes part touched them, and they are available.
-- Reads: item_rows, known_items.
SELECT r.item_id
FROM item_rows AS r
JOIN known_items AS k ON k.item_id = r.item_id
WHERE k.available
