-- Items that a list may hold: somebody who takes part touched them, and the shop has them.
SELECT r.item_id
FROM item_rows AS r
JOIN known_items AS k ON k.item_id = r.item_id
WHERE k.available
