-- Who takes part, judged from the events before the cut (history) alone: users with a purchase, at least
-- $min_events events and $min_items different items, and no more events than the buyers' mean plus
-- $max_events_sd standard deviations (0: no such limit). Numbered 0, 1, ... in the order of their ids. Whoever has
-- an event has one item: different ones are counted where more are asked for, which takes ten times as long.
-- Reads: history. Binds: $max_events_sd, $min_events, $min_items.
WITH totals AS (
    SELECT user_id, count(*) AS n_events
    FROM history
    GROUP BY user_id
    HAVING count(*) FILTER (WHERE event_type = 'purchase') > 0
),
bound AS (
    SELECT avg(n_events) + $max_events_sd * stddev_pop(n_events) AS most_events FROM totals
),
varied AS (
    SELECT user_id
    FROM history
    WHERE $min_items > 1
    GROUP BY user_id
    HAVING count(DISTINCT item_id) >= $min_items
)
SELECT user_id, CAST(row_number() OVER (ORDER BY user_id) - 1 AS INTEGER) AS user_row
FROM totals, bound
WHERE n_events >= $min_events
  AND ($min_items <= 1 OR user_id IN (SELECT user_id FROM varied))
  AND ($max_events_sd = 0 OR n_events <= most_events)
