-- $n_buyers buyers with a list (all, where there are fewer), for the report. Half have a hit of $model in the
-- test (kind 1), half were measured without one (kind 2); where a half is short, the other fills up, and buyers
-- who were not measured (kind 3) fill what is still missing. A buyer who was measured at several cuts was shown a list
-- at each: precision_at_3 is the mean of these n_lists. Within a kind they are spread evenly from few
-- purchase days to many. A day is one of UTC.
-- Reads: purchaser_events, recommendations, user_metrics. Binds: $model, $n_buyers.
WITH activity AS (
    SELECT
        user_id,
        count(DISTINCT floor(epoch(occurred_at) / 86400)) AS n_days,
        count(DISTINCT item_id) AS n_items
    FROM purchaser_events
    WHERE event_type = 'purchase'
    GROUP BY user_id
),
scores AS (
    SELECT user_id, avg(precision_at_3) AS precision_at_3, count(*) AS n_lists
    FROM user_metrics
    WHERE model = $model
    GROUP BY user_id
),
listed AS (
    SELECT
        activity.user_id,
        activity.n_days,
        activity.n_items,
        scores.precision_at_3,
        scores.n_lists,
        CASE WHEN scores.precision_at_3 > 0 THEN 1 WHEN scores.precision_at_3 = 0 THEN 2 ELSE 3 END AS kind
    FROM activity
    JOIN recommendations AS first_items ON first_items.user_id = activity.user_id AND first_items.rank = 1
    LEFT JOIN scores ON scores.user_id = activity.user_id
),
placed AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY kind ORDER BY n_days, user_id) AS place,
        count(*) OVER (PARTITION BY kind) AS n_kind,
        count(CASE WHEN kind = 1 THEN 1 END) OVER () AS n_hits,
        count(CASE WHEN kind = 2 THEN 1 END) OVER () AS n_misses
    FROM listed
),
wanted AS (
    SELECT
        *,
        CASE kind
            WHEN 1 THEN greatest(floor($n_buyers / 2), $n_buyers - n_misses)
            WHEN 2 THEN greatest(ceil($n_buyers / 2), $n_buyers - n_hits)
            ELSE $n_buyers - least($n_buyers, n_hits + n_misses)
        END AS n_wanted
    FROM placed
)
SELECT user_id, n_days, n_items, precision_at_3, kind, n_lists
FROM wanted
WHERE n_wanted >= n_kind OR floor(place * n_wanted / n_kind) > floor((place - 1) * n_wanted / n_kind)
