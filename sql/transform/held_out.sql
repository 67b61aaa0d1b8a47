-- What users bought in `later` who had bought before, once for each (user, item), as row numbers of the
-- history. A null user_row is a buyer whom the filters leave out; a null item_row was never seen before.
-- Users who had never bought are told by is_buyer = false; they are counted, not measured.
SELECT l.user_id, l.item_id, u.user_row, i.item_row, b.user_id IS NOT NULL AS is_buyer
FROM (SELECT DISTINCT user_id, item_id FROM later WHERE event_type = 'purchase') AS l
LEFT JOIN (SELECT DISTINCT user_id FROM history WHERE event_type = 'purchase') AS b ON b.user_id = l.user_id
LEFT JOIN user_rows AS u ON u.user_id = l.user_id
LEFT JOIN item_rows AS i ON i.item_id = l.item_id
WHERE $is_repeat_relevant
   OR NOT EXISTS (
        SELECT 1 FROM history AS h
        WHERE h.user_id = l.user_id AND h.item_id = l.item_id AND h.event_type = 'purchase'
    )
ORDER BY l.user_id, l.item_id
