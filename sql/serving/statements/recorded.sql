-- The record of one publication or refusal, by its number or its version.
SELECT
    publication.version,
    publication.run_id,
    publication.status,
    coalesce(publication.version = (SELECT live.version FROM {storage}.live), false) AS is_live,
    publication.published_at,
    publication.n_users,
    publication.n_items,
    publication.n_recommendations,
    publication.precision_at_3,
    publication.params ->> 'model' AS model,
    publication.decision -> 'fallback' ->> 'model' IS NOT NULL AS is_fallback,
    coalesce(publication.decision -> 'fallback' ->> 'why', '') AS fallback_why,
    coalesce(publication.decision -> 'judged' -> 'is_unjudged' = 'true', false) AS is_unjudged,
    publication.decision -> 'measured_in' ->> 'method' AS split_method
FROM {storage}.publication
WHERE publication.number = %(number)s OR publication.version = %(version)s;
