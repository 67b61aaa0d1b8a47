-- The items that somebody who takes part touched before the cut, numbered 0, 1, ... in the order of their ids.
-- Reads: history (the events before the cut), user_rows.
SELECT item_id, CAST(row_number() OVER (ORDER BY item_id) - 1 AS INTEGER) AS item_row
FROM (SELECT DISTINCT h.item_id FROM history AS h JOIN user_rows AS u ON u.user_id = h.user_id) AS touched
