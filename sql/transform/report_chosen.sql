-- The report's buyers in the order of the page: those who bought on most days first, then by id.
-- Reads: report_buyers.
SELECT user_id, n_days, n_items, precision_at_3, n_lists FROM report_buyers ORDER BY n_days DESC, user_id
