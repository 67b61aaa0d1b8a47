-- The first $length items in the list of each of the report's buyers, by rank: names and reasons, with what
-- they are told with; and those that were the first in the model's own order, before the list had variety.
-- Reads: recommendations, report_buyers, item_names. Binds: $length.
SELECT
    lists.user_id,
    lists.rank,
    lists.model_rank,
    lists.item_id,
    item_names.name,
    lists.reason,
    lists.because_item_id,
    lists.last_bought_on,
    lists.gap_days,
    lists.percent_off,
    because.name AS because_name
FROM recommendations AS lists
JOIN report_buyers ON report_buyers.user_id = lists.user_id
LEFT JOIN item_names ON item_names.item_id = lists.item_id
LEFT JOIN item_names AS because ON because.item_id = lists.because_item_id
WHERE lists.rank <= $length OR lists.model_rank <= $length
ORDER BY lists.user_id, lists.rank
