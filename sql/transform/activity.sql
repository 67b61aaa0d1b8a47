-- How many events, and how many different items, each buyer has.
-- Reads: history (the events before a cut).
SELECT user_id, count(*) AS n_events, count(DISTINCT item_id) AS n_items
FROM history
GROUP BY user_id
HAVING count(*) FILTER (WHERE event_type = 'purchase') > 0
