-- Name and category of each item that somebody who takes part touched, and of those that are shown untouched; items
-- with neither have no row. An empty name is none. The character 0 is removed, because PostgreSQL cannot store it.
-- Reads: items, item_rows, untouched.
SELECT item_id, name, category
FROM (
    SELECT i.item_id, nullif(replace(i.name, chr(0), ''), '') AS name, replace(i.category, chr(0), '') AS category
    FROM items AS i
    JOIN (SELECT item_id FROM item_rows UNION SELECT item_id FROM untouched) AS r ON r.item_id = i.item_id
) AS named
WHERE name IS NOT NULL OR category IS NOT NULL
ORDER BY item_id
