-- Every id of the events and of the shop's own table of users or items: whether that table has it, its events and
-- purchases, and `plain`: the id without upper case, accents, and $blanks at its ends. Ids that are equal to a
-- database that compares without regard to these have the same plain form.
-- Reads: met, known. Binds: $blanks.
SELECT
    id,
    n_events,
    n_purchases,
    is_known,
    translate(
        replace(replace(replace(strip_accents(lower(nfc_normalize(bare))), 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'),
        'øłđħŧıς',
        'oldhtiσ'
    ) AS plain
FROM (
    SELECT
        coalesce(m.id, k.id) AS id,
        coalesce(m.n_events, 0) AS n_events,
        coalesce(m.n_purchases, 0) AS n_purchases,
        k.id IS NOT NULL AS is_known,
        trim(coalesce(m.id, k.id), $blanks) AS bare
    FROM met AS m
    FULL JOIN (SELECT DISTINCT CAST(id AS VARCHAR) AS id FROM known WHERE id IS NOT NULL) AS k ON k.id = m.id
) AS ids
