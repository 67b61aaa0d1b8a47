-- How often each user buys what is reduced: the share of the user's purchases with a price whose reduction,
-- discount / (price + discount), is at least $min_reduction.
-- Reads: history (the events before the cut). Binds: $min_reduction.
SELECT user_id,
    CAST(sum(CASE WHEN coalesce(discount, 0) >= $min_reduction * (price + coalesce(discount, 0)) THEN 1 ELSE 0 END)
        AS DOUBLE) / count(*) AS reduced_share,
    count(*) AS n_lines
FROM history
WHERE event_type = 'purchase'
  AND price + coalesce(discount, 0) > 0
GROUP BY user_id
ORDER BY user_id
