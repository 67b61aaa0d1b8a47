-- Every item that the shop knows, from its events or its catalogue, and whether it is available: yes, unless the
-- catalogue says no.
-- Reads: events, items.
SELECT item_id, bool_and(is_shown) AS available
FROM (
    SELECT DISTINCT item_id, true AS is_shown FROM events
    UNION ALL
    SELECT item_id, coalesce(available, true) AS is_shown FROM items
) AS both_sources
WHERE item_id IS NOT NULL
GROUP BY item_id
ORDER BY item_id
