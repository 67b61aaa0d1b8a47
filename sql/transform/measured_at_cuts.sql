-- How many users are measured at cuts rolled back from $until: who bought before a cut, and up to the next cut
-- something that counts; a row for each length of 1 to $longest units and each of the newest $most_cuts cuts that
-- measures anybody. A unit is $unit_us microseconds; cut 1 of a length is that long before $until, cut 2 twice as
-- long. Unless $is_repeat_relevant, an item that the user had bought before the cut does not count.
-- An event exactly at a cut is after it. Users are counted from their days alone, each once for a cut.
-- Reads: purchaser_events. Binds: $is_repeat_relevant, $longest, $most_cuts, $unit_us, $until.
WITH purchases AS (
    SELECT user_id, item_id,
        CAST(ceil((epoch_us($until) - epoch_us(occurred_at)) / $unit_us) AS BIGINT) AS n_back
    FROM purchaser_events
    WHERE event_type = 'purchase' AND occurred_at < $until
),
firsts AS (
    SELECT user_id, item_id, max(n_back) AS n_back
    FROM purchases
    GROUP BY user_id, item_id
),
buyers AS (
    SELECT user_id, max(n_back) AS first_back
    FROM firsts
    GROUP BY user_id
),
counting AS (
    SELECT user_id, n_back FROM purchases WHERE $is_repeat_relevant AND n_back <= $longest * $most_cuts
    UNION
    SELECT user_id, n_back FROM firsts WHERE NOT $is_repeat_relevant AND n_back <= $longest * $most_cuts
),
units AS (
    SELECT c.user_id, c.n_back, b.first_back,
        lag(c.n_back) OVER (PARTITION BY c.user_id ORDER BY c.n_back) AS nearer
    FROM counting AS c
    JOIN buyers AS b ON b.user_id = c.user_id
),
lengths AS (
    SELECT unnest(range(1, CAST($longest AS BIGINT) + 1)) AS length
)
SELECT l.length, CAST(ceil(u.n_back / l.length) AS BIGINT) AS place, count(*) AS n_users
FROM units AS u, lengths AS l
WHERE u.n_back <= l.length * $most_cuts
  AND u.first_back > l.length * ceil(u.n_back / l.length)
  AND (u.nearer IS NULL OR ceil(u.nearer / l.length) < ceil(u.n_back / l.length))
GROUP BY l.length, place
ORDER BY l.length, place
