-- Texts that lists may hold, each with the column it comes from: ids of users with a purchase (of all
-- users with $is_for_all), ids of items in events and of those that are available, names and categories of both.
-- Reads: events, items, met_users. Binds: $is_for_all.
WITH touched AS (
    SELECT DISTINCT CAST(item_id AS VARCHAR) AS item_id FROM events WHERE item_id IS NOT NULL
),
shown AS (
    SELECT CAST(i.item_id AS VARCHAR) AS item_id, i.name, i.category
    FROM items AS i
    LEFT JOIN touched AS t ON t.item_id = CAST(i.item_id AS VARCHAR)
    WHERE i.item_id IS NOT NULL AND (t.item_id IS NOT NULL OR coalesce(i.available, true))
),
texts AS (
    SELECT 'user_id' AS name, id AS value FROM met_users WHERE n_purchases > 0 OR $is_for_all
    UNION ALL
    SELECT 'item_id' AS name, item_id AS value FROM (SELECT item_id FROM touched UNION SELECT item_id FROM shown) AS ids
    UNION ALL
    SELECT DISTINCT 'category' AS name, category AS value FROM shown WHERE category IS NOT NULL
    UNION ALL
    SELECT DISTINCT 'name' AS name, name AS value FROM shown WHERE name IS NOT NULL
)
SELECT name, value
FROM texts
ORDER BY name, value
