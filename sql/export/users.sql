-- The first items of each user's list; numbers as JSON has them.
SELECT
    lists.user_id,
    lists.item_ids[1:%(n)s::integer] AS item_ids,
    lists.scores[1:%(n)s::integer]::text[] AS scores,
    lists.reasons[1:%(n)s::integer] AS reasons,
    lists.because_item_ids[1:%(n)s::integer] AS because_item_ids
FROM {storage}.user_lists AS lists;
