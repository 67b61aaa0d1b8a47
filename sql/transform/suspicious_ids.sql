-- Ids that are words for "nothing" ($missing) or for anybody ($anybody, if they have more than $times the events of
-- an average id), those with most events first. n_all: the events of all ids.
-- Reads: shop_ids. Binds: $anybody, $blanks, $missing, $times.
WITH of_events AS (
    SELECT id, n_events, sum(n_events) OVER () AS n_all, avg(n_events) OVER () AS mean
    FROM shop_ids
    WHERE n_events > 0
)
SELECT id, n_events, CAST(n_all AS BIGINT) AS n_all
FROM of_events
WHERE list_contains($missing, lower(trim(id, $blanks)))
   OR (list_contains($anybody, lower(trim(id, $blanks))) AND n_events > $times * mean)
ORDER BY n_events DESC, id
