-- Every item id of the events, as text, with the number of its events and of its purchases (a quantity of 0 or
-- below is a return and no purchase).
-- Reads: events.
SELECT
    CAST(item_id AS VARCHAR) AS id,
    count(*) AS n_events,
    count(*) FILTER (WHERE event_type = 'purchase' AND coalesce(quantity, 1) > 0) AS n_purchases
FROM events
WHERE item_id IS NOT NULL
GROUP BY item_id
