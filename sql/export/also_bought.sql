-- The first items that buyers of each item also bought; numbers as JSON has them.
SELECT
    lists.item_id,
    lists.also_bought_item_ids[1:%(n)s::integer] AS item_ids,
    lists.supports[1:%(n)s::integer]::text[] AS supports,
    lists.lifts[1:%(n)s::integer]::text[] AS lifts
FROM {storage}.also_bought_lists AS lists;
