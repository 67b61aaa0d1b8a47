-- The first $length items in the list of each of the report's buyers, by rank: names and reasons, with what
-- they are told with.
-- Reads: recommendations, report_buyers, item_names. Binds: $length.
SELECT
    lists.user_id,
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
WHERE lists.rank <= $length
ORDER BY lists.user_id, lists.rank
