-- The publication the views show; no row before the first one.
SELECT
    publication.version,
    publication.run_id,
    publication.as_of,
    publication.published_at,
    publication.repeat_purchases,
    publication.precision_at_3,
    publication.n_users,
    publication.n_items,
    publication.n_recommendations,
    publication.params,
    publication.decision -> 'fallback' AS fallback
FROM {storage}.live
JOIN {storage}.publication ON publication.version = live.version;
