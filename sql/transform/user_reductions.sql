-- How often each user bought what was reduced: the share of the user's purchases that had a discount, and how many
-- purchases that is a share of: those with a known price. Users without one have no row.
-- Reads: history (the events before the cut).
SELECT user_id, count(*) FILTER (WHERE discount > 0) / count(*) AS reduced_share, count(*) AS n_lines
FROM history
WHERE event_type = 'purchase' AND price IS NOT NULL
GROUP BY user_id
ORDER BY user_id
