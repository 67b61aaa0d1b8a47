-- Texts that lists may hold, each with the column it comes from: ids of users with a purchase (of all
-- users with $is_for_all), ids of items in events, names and categories of those items.
-- Reads: events, items, met_users. Binds: $is_for_all.
WITH touched AS (
    SELECT DISTINCT CAST(item_id AS VARCHAR) AS item_id FROM events WHERE item_id IS NOT NULL
),
texts AS (
    SELECT 'user_id' AS name, id AS value FROM met_users WHERE n_purchases > 0 OR $is_for_all
    UNION ALL
    SELECT 'item_id' AS name, item_id AS value FROM touched
    UNION ALL
    SELECT DISTINCT 'category' AS name, i.category AS value
    FROM items AS i
    JOIN touched AS t ON t.item_id = CAST(i.item_id AS VARCHAR)
    WHERE i.category IS NOT NULL
    UNION ALL
    SELECT DISTINCT 'name' AS name, i.name AS value
    FROM items AS i
    JOIN touched AS t ON t.item_id = CAST(i.item_id AS VARCHAR)
    WHERE i.name IS NOT NULL
)
SELECT name, value
FROM texts
ORDER BY name, value
