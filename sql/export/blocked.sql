-- Items that are blocked now.
SELECT blocked.item_id
FROM {schema}.blocked_items AS blocked
WHERE blocked.until IS NULL OR blocked.until > now()
ORDER BY blocked.item_id;
