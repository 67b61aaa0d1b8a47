-- People of whom the shop says something, who bought nothing before the cut and did not look around enough to be known
-- by that: their ids, ascending. What became known after the cut does not count.
-- Reads: user_attributes, guests (events before the cut), lookers (user_id). Binds: $cut_at.
SELECT DISTINCT a.user_id
FROM user_attributes AS a
WHERE (a.known_at IS NULL OR epoch_us(a.known_at) <= epoch_us($cut_at))
  AND a.user_id NOT IN (SELECT user_id FROM lookers)
  AND a.user_id NOT IN (SELECT user_id FROM guests WHERE event_type = 'purchase')
ORDER BY a.user_id
