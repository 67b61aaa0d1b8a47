-- Ids of the items that lists may show as new at $as_of: added by the shop less than $days before; where the shop does not
-- say when, those that somebody bought and that nobody had touched earlier than so, if events reach back $known_days or
-- more. None that was first bought $cold_days before or earlier.
-- Reads: items, history. Binds: $as_of, $days, $cold_days, $known_days.
WITH dated AS (
    SELECT item_id, event_type, (epoch($as_of) - epoch(occurred_at)) / 86400.0 AS age_days FROM history
),
firsts AS (
    SELECT item_id, max(age_days) AS seen_days,
        max(age_days) FILTER (WHERE event_type = 'purchase') AS bought_days
    FROM dated
    GROUP BY item_id
)
SELECT i.item_id
FROM items AS i
LEFT JOIN firsts AS f ON f.item_id = i.item_id
WHERE CASE WHEN i.added_at IS NULL
        THEN f.bought_days IS NOT NULL AND f.seen_days < $days AND (SELECT max(age_days) FROM dated) >= $known_days
        ELSE epoch(i.added_at) <= epoch($as_of) AND (epoch($as_of) - epoch(i.added_at)) / 86400.0 < $days
    END
  AND coalesce(f.bought_days < $cold_days, true)
ORDER BY i.item_id
