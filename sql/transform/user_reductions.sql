-- How often each user bought what was reduced: the share of the user's purchases that cost at least the share
-- $reduced_by less than before, and how many purchases that is a share of: those with a known price. Users without one
-- have no row.
-- Reads: history (the events before the cut). Binds: $reduced_by.
SELECT
    user_id,
    count(*) FILTER (WHERE discount > 0 AND round(discount / (price + discount), 6) >= $reduced_by) / count(*) AS reduced_share,
    count(*) AS n_lines
FROM history
WHERE event_type = 'purchase' AND price IS NOT NULL
GROUP BY user_id
ORDER BY user_id
