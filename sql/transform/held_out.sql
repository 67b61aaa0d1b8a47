-- The holdout: what was bought in `later`, once for each user and item, with their row numbers in the history.
-- is_buyer:  the user bought before the cut. Users who did not (cold users) are counted, not measured.
-- user_row:  null for a buyer whom the filters leave out.
-- bought_at: when it was first bought in `later`.
-- item_row:  null for an item that nobody who takes part touched before the cut (a cold item).
-- Unless $is_repeat_relevant, items that the user had bought before the cut are left out.
-- Reads: later (events after the cut), history (before it), user_rows, item_rows. Binds: $is_repeat_relevant.
SELECT l.user_id, l.item_id, l.bought_at, u.user_row, i.item_row, b.user_id IS NOT NULL AS is_buyer
FROM (
    SELECT user_id, item_id, min(occurred_at) AS bought_at
    FROM later
    WHERE event_type = 'purchase'
    GROUP BY user_id, item_id
) AS l
LEFT JOIN (SELECT DISTINCT user_id FROM history WHERE event_type = 'purchase') AS b ON b.user_id = l.user_id
LEFT JOIN user_rows AS u ON u.user_id = l.user_id
LEFT JOIN item_rows AS i ON i.item_id = l.item_id
WHERE $is_repeat_relevant
   OR NOT EXISTS (
        SELECT 1 FROM history AS h
        WHERE h.user_id = l.user_id AND h.item_id = l.item_id AND h.event_type = 'purchase'
    )
ORDER BY l.user_id, l.item_id
