-- What the filter of purchasers was given; one row. Users: all, those who bought, and of both those whom the shop
-- does not know. Events: all, and those that are left out, each counted once: returns (purchases of a quantity of 0
-- or below), then events of unknown users, then those of people who bought nothing.
-- Reads: events, users.
WITH told AS (
    SELECT user_id,
        coalesce(user_id IN (SELECT user_id FROM users), false) AS is_known,
        event_type = 'purchase' AND coalesce(quantity, 1) > 0 AS is_purchase,
        event_type = 'purchase' AND coalesce(quantity, 1) <= 0 AS is_return
    FROM events
),
by_user AS (
    SELECT user_id,
        is_known,
        coalesce(bool_or(is_purchase), false) AS is_buyer,
        count(*) AS n_events,
        count(*) FILTER (WHERE is_return) AS n_returns
    FROM told
    GROUP BY user_id, is_known
)
SELECT
    CAST(coalesce(sum(n_events), 0) AS BIGINT) AS n_events,
    CAST(coalesce(sum(n_returns), 0) AS BIGINT) AS n_returns,
    CAST(coalesce(sum(n_events - n_returns) FILTER (WHERE NOT is_known), 0) AS BIGINT) AS n_events_of_unknown_users,
    CAST(coalesce(sum(n_events - n_returns) FILTER (WHERE is_known AND NOT is_buyer), 0) AS BIGINT)
        AS n_events_of_browsers,
    count(user_id) AS n_users,
    count(user_id) FILTER (WHERE NOT is_known) AS n_unknown_users,
    count(user_id) FILTER (WHERE is_buyer) AS n_buyers,
    count(user_id) FILTER (WHERE is_buyer AND NOT is_known) AS n_unknown_buyers
FROM by_user
