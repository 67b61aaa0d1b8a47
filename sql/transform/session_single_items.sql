-- How many last orders are of one item, so that nothing is left to make a list from when it is hidden; one row.
-- Reads: session_orders.
SELECT count(*) AS n_orders
FROM session_orders
WHERE n_items = 1
