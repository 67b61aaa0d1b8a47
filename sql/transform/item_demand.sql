-- The items of the shop that are for sale at the cut, and how much they are asked for: days since the first event of any
-- kind and since the first purchase (null: none), purchases and other events halved every $half_life_days of age and
-- summed as whole millionths, different buyers, different people with any event, days since the shop added the item
-- (null: not known), and on every row how many days the events reach back.
-- An item that is added after the cut, that the shop stopped selling before it, or whose row became known after it (where
-- $is_judged: something is measured) is left out, and so is one that is not available. Items are numbered 0, 1, ... in
-- the order of their ids, whether they are left out or not.
-- Reads: items, history (the events before the cut). Binds: $cut_at, $half_life_days, $is_judged.
WITH dated AS (
    SELECT item_id, user_id, event_type, (epoch($cut_at) - epoch(occurred_at)) / 86400.0 AS age_days FROM history
),
asked_for AS (
    SELECT item_id,
        max(age_days) AS first_seen_days,
        max(age_days) FILTER (WHERE event_type = 'purchase') AS first_bought_days,
        sum(weight) FILTER (WHERE event_type = 'purchase') AS bought,
        sum(weight) FILTER (WHERE event_type <> 'purchase') AS looked_at,
        count(DISTINCT user_id) FILTER (WHERE event_type = 'purchase') AS n_buyers,
        count(DISTINCT user_id) AS n_people
    FROM (
        SELECT item_id, user_id, event_type, age_days,
            CAST(round(1e6 * pow(0.5, age_days / $half_life_days)) AS BIGINT) AS weight
        FROM dated
    ) AS weighed
    GROUP BY item_id
),
numbered AS (
    SELECT item_id, available, added_at, available_until, known_at,
        row_number() OVER (ORDER BY item_id) - 1 AS content_row
    FROM items
)
SELECT n.content_row, a.first_seen_days, a.first_bought_days,
    CAST(coalesce(a.bought, 0) AS DOUBLE) / 1e6 AS bought,
    CAST(coalesce(a.looked_at, 0) AS DOUBLE) / 1e6 AS looked_at,
    coalesce(a.n_buyers, 0) AS n_buyers,
    coalesce(a.n_people, 0) AS n_people,
    (epoch($cut_at) - epoch(n.added_at)) / 86400.0 AS added_days,
    coalesce((SELECT max(age_days) FROM dated), 0) AS history_days
FROM numbered AS n
LEFT JOIN asked_for AS a ON a.item_id = n.item_id
WHERE coalesce(n.available, true)
  AND (n.added_at IS NULL OR epoch(n.added_at) <= epoch($cut_at))
  AND (n.available_until IS NULL OR epoch(n.available_until) > epoch($cut_at))
  AND (NOT $is_judged OR n.known_at IS NULL OR epoch(n.known_at) <= epoch($cut_at))
ORDER BY n.content_row
