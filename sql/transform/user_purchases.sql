-- What each user bought of the items in the popular lists, ranked by item id. Every buyer has rows, also those
-- whom the filters leave out.
-- Reads: history (the events before the cut), popular_items.
SELECT user_id, CAST(row_number() OVER (PARTITION BY user_id ORDER BY item_id) AS INTEGER) AS rank, item_id
FROM (
    SELECT DISTINCT h.user_id, h.item_id
    FROM history AS h
    WHERE h.event_type = 'purchase' AND h.item_id IN (SELECT p.item_id FROM popular_items AS p)
) AS bought
ORDER BY user_id, rank
