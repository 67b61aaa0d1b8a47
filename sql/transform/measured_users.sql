-- How many users a split measures: who bought before the test, and in it something that counts; one row.
-- Unless $is_repeat_relevant, an item that the user had bought before the test does not count.
-- Reads: parts (events with the part that the split puts them into). Binds: $is_repeat_relevant.
SELECT count(DISTINCT t.user_id) AS n_users
FROM parts AS t
WHERE t.part = 'test'
  AND t.event_type = 'purchase'
  AND EXISTS (
        SELECT 1 FROM parts AS h
        WHERE h.user_id = t.user_id AND h.event_type = 'purchase' AND h.part <> 'test'
    )
  AND ($is_repeat_relevant OR NOT EXISTS (
        SELECT 1 FROM parts AS h
        WHERE h.user_id = t.user_id AND h.item_id = t.item_id AND h.event_type = 'purchase' AND h.part <> 'test'
    ))
