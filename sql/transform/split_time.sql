-- Events cut at the same two moments for all users: before $validation_from train, before $test_from
-- validation_set, then test. An event exactly at a cut belongs to the later part.
-- Reads: purchaser_events. Binds: $validation_from, $test_from.
SELECT *,
    CASE
        WHEN occurred_at < $validation_from THEN 'train'
        WHEN occurred_at < $test_from THEN 'validation_set'
        ELSE 'test'
    END AS part
FROM purchaser_events
