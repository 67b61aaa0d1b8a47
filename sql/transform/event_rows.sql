-- The events of those who take part, as row numbers, with their age at the cut in days.
SELECT u.user_row, i.item_row, h.event_type, h.quantity,
    (epoch($cut_at) - epoch(h.occurred_at)) / 86400.0 AS age_days
FROM history AS h
JOIN user_rows AS u ON u.user_id = h.user_id
JOIN item_rows AS i ON i.item_id = h.item_id
