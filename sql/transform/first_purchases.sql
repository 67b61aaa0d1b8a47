-- What people without purchases bought after a cut: one row for each person and item, in that order; item_row is
-- null where nobody who takes part had touched the item before the cut.
-- Reads: later (events after the cut), people (user_id, person), item_rows.
SELECT DISTINCT p.person, i.item_row, l.item_id
FROM later AS l
JOIN people AS p ON p.user_id = l.user_id
LEFT JOIN item_rows AS i ON i.item_id = l.item_id
WHERE l.event_type = 'purchase'
ORDER BY p.person, l.item_id
