-- By how much each item has been reduced of late, as a share of its price before: the median of its purchases in the
-- last $days days before the cut (of two in the middle, the lower), and how many those are. A purchase without a
-- discount is one of 0. Items that nobody bought with a known price in those days have no row.
-- Reads: history (the events before the cut). Binds: $cut_at, $days.
SELECT item_id,
    quantile_disc(CASE WHEN discount > 0 THEN discount / (price + discount) ELSE 0 END, 0.5) AS reduction,
    count(*) AS n_lines
FROM history
WHERE event_type = 'purchase' AND price IS NOT NULL
  AND epoch($cut_at) - epoch(occurred_at) <= 86400 * $days
GROUP BY item_id
ORDER BY item_id
