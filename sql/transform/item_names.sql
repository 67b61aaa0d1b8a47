-- What the shop calls the items that somebody who takes part touched; none without a name and a category.
-- The character 0, which PostgreSQL cannot store, is left out.
SELECT item_id, name, category
FROM (
    SELECT i.item_id, nullif(replace(i.name, chr(0), ''), '') AS name, replace(i.category, chr(0), '') AS category
    FROM items AS i
    JOIN item_rows AS r ON r.item_id = i.item_id
) AS named
WHERE name IS NOT NULL OR category IS NOT NULL
ORDER BY item_id
