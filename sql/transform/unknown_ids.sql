-- Ids with a purchase that the shop's own table does not have, those with most purchases first; none where the shop
-- has no such table. `alike` is an id of that table that differs from it in form only (`differs_in`). Each row says
-- how many there are in words (`unknown`), and how bad that is: `critical` from the share $nearly_all on, else
-- `warning` above the share $max_unknown, else null.
-- Reads: alike_ids, shop_ids. Binds: $max_unknown, $nearly_all.
WITH bought AS (
    SELECT id, n_events, n_purchases, is_known,
        count(*) OVER () AS n_bought,
        count(CASE WHEN NOT is_known THEN 1 END) OVER () AS n_unknown
    FROM shop_ids
    WHERE n_purchases > 0
)
SELECT b.id, b.n_events, b.n_purchases, a.alike, a.differs_in,
    concat(b.n_unknown, ' of ', b.n_bought, ' (', round(100.0 * b.n_unknown / b.n_bought, 1), ' %)') AS unknown,
    CASE
        WHEN b.n_unknown >= $nearly_all * b.n_bought THEN 'critical'
        WHEN b.n_unknown > $max_unknown * b.n_bought THEN 'warning'
    END AS severity
FROM bought AS b
LEFT JOIN alike_ids AS a ON a.id = b.id AND a.is_alike_known
WHERE NOT b.is_known AND EXISTS (SELECT 1 FROM shop_ids WHERE is_known)
ORDER BY b.n_purchases DESC, b.id
