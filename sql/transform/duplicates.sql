-- Events that occur more than once, each once, and how many times. Equal rows have equal hashes, and few others do:
-- only the rows of such hashes are compared as a whole.
-- Reads: events.
WITH hashed AS (
    SELECT hash(user_id, item_id, event_type, occurred_at, order_id, quantity, price, discount, rating) AS h
    FROM events
    GROUP BY h
    HAVING count(*) > 1
)
SELECT user_id, item_id, event_type, occurred_at, order_id, quantity, price, discount, rating, count(*) AS times
FROM events
WHERE hash(user_id, item_id, event_type, occurred_at, order_id, quantity, price, discount, rating)
    IN (SELECT h FROM hashed)
GROUP BY ALL
HAVING count(*) > 1
