-- By how much each item has been reduced of late, as a share of its price before: the median of its purchases in the
-- last $days days before the cut (of two in the middle, the lower), and how many those are. A purchase without a
-- discount is one of 0, and so is one whose price before is above the full price, by more than the factor $room: the
-- full price is the highest that was paid without a discount. A percentage where money is asked for is such a one.
-- Items that nobody bought with a known price have no row.
-- Reads: history (the events before the cut). Binds: $cut_at, $days, $room.
WITH items AS (
    SELECT item_id, max(price) FILTER (coalesce(discount, 0) = 0) AS full_price
    FROM history
    WHERE event_type = 'purchase' AND price IS NOT NULL
    GROUP BY item_id
),
lines AS (
    SELECT h.item_id,
        CASE WHEN h.discount > 0 AND h.price + h.discount <= i.full_price * $room
            THEN round(h.discount / (h.price + h.discount), 6) ELSE 0 END AS reduction
    FROM history AS h
    JOIN items AS i ON i.item_id = h.item_id
    WHERE h.event_type = 'purchase' AND h.price IS NOT NULL
      AND epoch($cut_at) - epoch(h.occurred_at) <= 86400 * $days
),
late AS (
    SELECT item_id, percentile_disc(0.5) WITHIN GROUP (ORDER BY reduction) AS reduction, count(*) AS n_lines
    FROM lines
    GROUP BY item_id
)
SELECT i.item_id, late.reduction, coalesce(late.n_lines, 0) AS n_lines, i.full_price
FROM items AS i
LEFT JOIN late ON late.item_id = i.item_id
ORDER BY i.item_id
