-- Some of those who take part: everybody in `always`, and of the others one in $step, spread evenly over their ids.
-- Numbered anew 0, 1, ... in the order of their ids.
-- Reads: user_rows, always. Binds: $step.
SELECT user_id, CAST(row_number() OVER (ORDER BY user_id) - 1 AS INTEGER) AS user_row
FROM user_rows
WHERE user_row % $step = 0
   OR user_id IN (SELECT user_id FROM always)
