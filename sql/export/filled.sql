-- What recommend() gives users whose own lists are too short, a row for each of them.
SELECT
    asked.user_id,
    array_agg(listed.item_id ORDER BY listed.rank) AS item_ids,
    array_agg(listed.score::text ORDER BY listed.rank) AS scores,
    array_agg(listed.source ORDER BY listed.rank) AS sources,
    array_agg(listed.reason ORDER BY listed.rank) AS reasons,
    array_agg(listed.because_item_id ORDER BY listed.rank) AS because_item_ids
FROM unnest(%(user_ids)s::{user_id_type}[]) AS asked (user_id)
CROSS JOIN LATERAL {schema}.recommend(asked.user_id, %(n)s) AS listed
GROUP BY asked.user_id;
