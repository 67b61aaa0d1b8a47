-- Who takes part, judged from the events before the cut (history) alone: users with a purchase, at least
-- $min_events events and $min_items different items, and no more events than the buyers' mean plus
-- $max_events_sd standard deviations (0: no such limit). Numbered 0, 1, ... in the order of their ids.
-- Reads: history. Binds: $max_events_sd, $min_events, $min_items.
WITH totals AS (
    SELECT user_id,
        count(*) AS n_events,
        count(DISTINCT item_id) AS n_items
    FROM history
    GROUP BY user_id
    HAVING count(*) FILTER (WHERE event_type = 'purchase') > 0
),
bound AS (
    SELECT avg(n_events) + $max_events_sd * stddev_pop(n_events) AS most_events FROM totals
)
SELECT user_id, CAST(row_number() OVER (ORDER BY user_id) - 1 AS INTEGER) AS user_row
FROM totals, bound
WHERE n_events >= $min_events
  AND n_items >= $min_items
  AND ($max_events_sd = 0 OR n_events <= most_events)
