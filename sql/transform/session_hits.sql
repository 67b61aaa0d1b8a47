-- Whether the hidden item of each basket is in the basket's list (is_hit), and whether it is among the $n most popular
-- items of the shop that are not given (is_popular_hit); one row for each order of two items or more.
-- n_named: how many items of the list go with a given one; the others are popular items that fill it up.
-- Reads: session_orders, session_lists (no longer than $n), popular_items. Binds: $n.
WITH popular AS (
    SELECT item_id, rank FROM popular_items WHERE category = 'all'
),
hidden AS (
    SELECT o.user_id, o.item_id, o.is_first_time, p.rank
    FROM session_orders AS o
    LEFT JOIN popular AS p ON p.item_id = o.item_id
    WHERE o.place = 1 AND o.n_items > 1
),
given_before AS (
    SELECT h.user_id, count(*) AS n_given
    FROM hidden AS h
    JOIN session_orders AS o ON o.user_id = h.user_id AND o.place > 1
    JOIN popular AS p ON p.item_id = o.item_id AND p.rank < h.rank
    GROUP BY h.user_id
),
lists AS (
    SELECT l.user_id, count(*) FILTER (WHERE l.item_id = h.item_id) AS n_hits,
        count(*) FILTER (WHERE l.source = 'session') AS n_named
    FROM session_lists AS l
    JOIN hidden AS h ON h.user_id = l.user_id
    GROUP BY l.user_id
)
SELECT h.user_id, h.is_first_time, coalesce(l.n_hits, 0) > 0 AS is_hit,
    h.rank IS NOT NULL AND h.rank - coalesce(g.n_given, 0) <= $n AS is_popular_hit,
    CAST(coalesce(l.n_named, 0) AS INTEGER) AS n_named
FROM hidden AS h
LEFT JOIN given_before AS g ON g.user_id = h.user_id
LEFT JOIN lists AS l ON l.user_id = h.user_id
ORDER BY h.user_id
