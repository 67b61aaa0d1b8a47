-- The catalogue as of a night: an item that is not sold yet, or no longer, is not available. Where neither time says so,
-- `available` stays what the shop says, and null where it says nothing.
-- Reads: items. Binds: $as_of.
SELECT item_id, name, category, price, discount,
    CASE WHEN epoch(added_at) > epoch($as_of) OR epoch(available_until) <= epoch($as_of)
        THEN false ELSE available END AS available,
    added_at, available_until, known_at
FROM items
ORDER BY ALL
