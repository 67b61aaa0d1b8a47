-- One cut in time for all users: train | validation_set | test. Every part ends before the next begins.
SELECT *,
    CASE
        WHEN occurred_at < $validation_from THEN 'train'
        WHEN occurred_at < $test_from THEN 'validation_set'
        ELSE 'test'
    END AS part
FROM purchaser_events
