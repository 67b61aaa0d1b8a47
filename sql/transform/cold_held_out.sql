-- The held-out purchases of cold items: what those who take part bought in `later` of items that nobody had bought
-- long before the cut, once for each user and item, without what the same user had bought before it.
-- cold_row: the item's number among the cold items that can be shown; null where nobody had bought the item before the
-- cut and it is none of them (the shop's table does not have it, or says that it was added later).
-- Reads: later (events after the cut), history (before it), user_rows, cold_items.
SELECT u.user_row, c.cold_row
FROM (SELECT DISTINCT user_id, item_id FROM later WHERE event_type = 'purchase') AS l
JOIN user_rows AS u ON u.user_id = l.user_id
LEFT JOIN cold_items AS c ON c.item_id = l.item_id
WHERE (
        c.cold_row IS NOT NULL
        OR NOT EXISTS (SELECT 1 FROM history AS h WHERE h.item_id = l.item_id AND h.event_type = 'purchase')
    )
  AND NOT EXISTS (
        SELECT 1 FROM history AS h
        WHERE h.user_id = l.user_id AND h.item_id = l.item_id AND h.event_type = 'purchase'
    )
ORDER BY u.user_row, c.cold_row, l.item_id
