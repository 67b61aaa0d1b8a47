-- Ids with a purchase that the shop's own table does not have, those with most purchases first; none where the shop
-- has no such table. Each row says of how many: n_unknown of n_bought, and how bad that is: `critical` from the
-- share $nearly_all on, else `warning` above the share $max_unknown, else null.
-- Reads: shop_ids. Binds: $max_unknown, $nearly_all.
WITH bought AS (
    SELECT id, n_events, n_purchases, is_known,
        count(*) OVER () AS n_bought,
        count(CASE WHEN NOT is_known THEN 1 END) OVER () AS n_unknown
    FROM shop_ids
    WHERE n_purchases > 0
)
SELECT id, n_events, n_purchases, n_unknown, n_bought,
    CASE
        WHEN n_unknown >= $nearly_all * n_bought THEN 'critical'
        WHEN n_unknown > $max_unknown * n_bought THEN 'warning'
    END AS severity
FROM bought
WHERE NOT is_known AND EXISTS (SELECT 1 FROM shop_ids WHERE is_known)
ORDER BY n_purchases DESC, id
