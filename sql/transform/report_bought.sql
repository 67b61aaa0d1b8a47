-- What the report's buyers bought last: up to $length different items each, the newest first.
SELECT bought.user_id, bought.item_id, item_names.name, max(bought.occurred_at) AS bought_at
FROM purchaser_events AS bought
JOIN report_buyers ON report_buyers.user_id = bought.user_id
LEFT JOIN item_names ON item_names.item_id = bought.item_id
WHERE bought.event_type = 'purchase'
GROUP BY bought.user_id, bought.item_id, item_names.name
QUALIFY
    row_number() OVER (
        PARTITION BY bought.user_id ORDER BY max(bought.occurred_at) DESC, bought.item_id
    ) <= $length
ORDER BY bought.user_id, bought_at DESC, bought.item_id
