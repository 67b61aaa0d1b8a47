-- The events of those who take part, with the row numbers of user and item and the age in days at the cut.
-- Reads: history (the events before the cut), user_rows, item_rows. Binds: $cut_at.
SELECT u.user_row, i.item_row, h.event_type, h.quantity,
    (epoch($cut_at) - epoch(h.occurred_at)) / 86400.0 AS age_days, h.rating
FROM history AS h
JOIN user_rows AS u ON u.user_id = h.user_id
JOIN item_rows AS i ON i.item_id = h.item_id
