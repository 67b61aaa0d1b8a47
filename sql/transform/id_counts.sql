-- How many ids the events have, how many of them somebody bought with (users) or bought (items), and how many of
-- those the shop's own table does not have, with their events; one row. Nothing is unknown where there is no table.
-- Reads: shop_ids.
WITH ids AS (
    SELECT *, NOT is_known AND (SELECT bool_or(is_known) FROM shop_ids) AS is_unknown FROM shop_ids
)
SELECT
    count(*) FILTER (WHERE n_events > 0) AS n_ids,
    count(*) FILTER (WHERE n_purchases > 0) AS n_bought,
    count(*) FILTER (WHERE n_purchases > 0 AND is_unknown) AS n_unknown,
    CAST(coalesce(sum(n_events) FILTER (WHERE is_unknown), 0) AS BIGINT) AS n_events_unknown
FROM ids
