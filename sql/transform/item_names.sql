-- Name and category of each item that somebody who takes part touched; items with neither have no row. An empty
-- name is none. The character 0 is removed, because PostgreSQL cannot store it.
-- Reads: items, item_rows.
SELECT item_id, name, category
FROM (
    SELECT i.item_id, nullif(replace(i.name, chr(0), ''), '') AS name, replace(i.category, chr(0), '') AS category
    FROM items AS i
    JOIN item_rows AS r ON r.item_id = i.item_id
) AS named
WHERE name IS NOT NULL OR category IS NOT NULL
ORDER BY item_id
