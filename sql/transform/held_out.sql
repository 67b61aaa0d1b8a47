-- What users bought in `later`, once for each (user, item), as row numbers of the history.
-- A null user_row never bought before (or does not take part); a null item_row was never seen before.
SELECT u.user_row, i.item_row, l.user_id, l.item_id
FROM (SELECT DISTINCT user_id, item_id FROM later WHERE event_type = 'purchase') AS l
LEFT JOIN user_rows AS u ON u.user_id = l.user_id
LEFT JOIN item_rows AS i ON i.item_id = l.item_id
WHERE $is_repeat_relevant
   OR NOT EXISTS (
        SELECT 1 FROM history AS h
        WHERE h.user_id = l.user_id AND h.item_id = l.item_id AND h.event_type = 'purchase'
    )
ORDER BY l.user_id, l.item_id
