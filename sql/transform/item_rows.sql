-- Every item that somebody who takes part touched. Row numbers by id.
SELECT item_id, CAST(row_number() OVER (ORDER BY item_id) - 1 AS INTEGER) AS item_row
FROM (SELECT DISTINCT h.item_id FROM history AS h JOIN user_rows AS u ON u.user_id = h.user_id) AS touched
