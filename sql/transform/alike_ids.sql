-- Ids of events that differ from another id in form only: upper and lower case, accents, white space at the ends,
-- Unicode normalisation. `alike` is that other id: one that the shop's table has (`is_alike_known`), else the one
-- with most events. An id that the table has is no such id, whatever else looks like it.
-- Reads: shop_ids. Binds: $blanks.
WITH grouped AS (
    SELECT id, n_events, is_known,
        first_value(id) OVER (PARTITION BY plain ORDER BY is_known DESC, n_events DESC, id) AS alike,
        bool_or(is_known) OVER (PARTITION BY plain) AS is_alike_known
    FROM shop_ids
)
SELECT id, n_events, alike, is_alike_known,
    CASE
        WHEN nfc_normalize(id) = nfc_normalize(alike) THEN 'Unicode normalisation'
        WHEN trim(id, $blanks) = trim(alike, $blanks) THEN 'spaces at the ends'
        WHEN lower(id) = lower(alike) THEN 'upper and lower case'
        WHEN strip_accents(id) = strip_accents(alike) THEN 'accents'
        ELSE 'case, accents, spaces or Unicode normalisation'
    END AS differs_in
FROM grouped
WHERE id <> alike AND n_events > 0 AND NOT is_known
ORDER BY n_events DESC, id
