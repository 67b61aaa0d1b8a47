-- The report's buyers in the order of the page: from those who buy most often to those who buy least.
SELECT user_id, n_days, n_items, precision_at_3 FROM report_buyers ORDER BY n_days DESC, user_id
