-- The first similar items of each item; numbers as JSON has them.
SELECT
    lists.item_id,
    lists.similar_item_ids[1:%(n)s::integer] AS item_ids,
    lists.scores[1:%(n)s::integer]::text[] AS scores
FROM {storage}.similar_lists AS lists;
