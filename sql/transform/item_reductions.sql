-- How far each item has been reduced in the last $days days before the cut: the median reduction of its purchases,
-- which is discount / (price + discount); purchases without a price say nothing, and no discount is one of 0.
-- Reads: history (the events before the cut). Binds: $cut_at, $days.
SELECT item_id, median(coalesce(discount, 0) / (price + coalesce(discount, 0))) AS reduction,
    count(*) AS n_lines
FROM history
WHERE event_type = 'purchase'
  AND price + coalesce(discount, 0) > 0
  AND epoch(occurred_at) >= epoch($cut_at) - 86400.0 * $days
GROUP BY item_id
ORDER BY item_id
