-- Every publication and refusal with its state, for a person who chooses one; the newest last.
SELECT
    publication.version,
    CASE
        WHEN publication.status = 'refused' THEN 'refused'
        WHEN publication.version = live.version THEN 'live'
        WHEN publication.dropped_at IS NOT NULL THEN 'dropped'
        WHEN publication.is_held_back THEN 'held back'
        ELSE 'stored'
    END AS state,
    publication.as_of,
    publication.published_at,
    publication.precision_at_3,
    publication.repeat_purchases,
    publication.n_users,
    publication.n_items,
    publication.run_id,
    publication.params ->> 'model' AS model,
    publication.decision -> 'fallback' ->> 'model' IS NOT NULL AS is_fallback,
    coalesce(publication.decision -> 'fallback' ->> 'why', '') AS fallback_why,
    coalesce(publication.decision -> 'judged' -> 'is_unjudged' = 'true', false) AS is_unjudged,
    publication.decision -> 'measured_in' ->> 'method' AS split_method,
    CAST(publication.decision -> 'measured_in' ->> 'test_days' AS double precision) AS test_days
FROM {storage}.publication
CROSS JOIN {storage}.live
ORDER BY publication.published_at, publication.number;
