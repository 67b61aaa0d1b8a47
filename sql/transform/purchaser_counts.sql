-- What the filter of purchasers was given: events, purchases that are returns (a quantity of 0 or below), users,
-- and users whom the shop does not know; one row.
-- Reads: events, users.
SELECT
    count(*) AS n_events,
    count(*) FILTER (WHERE event_type = 'purchase' AND coalesce(quantity, 1) <= 0) AS n_returns,
    count(DISTINCT user_id) AS n_users,
    count(DISTINCT user_id) FILTER (WHERE user_id NOT IN (SELECT user_id FROM users)) AS n_unknown_users
FROM events
