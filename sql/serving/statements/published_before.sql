-- The publication of this run with exactly these lists, if there is one.
SELECT
    publication.version,
    publication.dropped_at IS NOT NULL AS is_dropped,
    publication.n_users,
    publication.n_items,
    publication.n_recommendations
FROM {storage}.publication
WHERE publication.run_id = %(run_id)s
    AND publication.lists_sha256 = %(lists_sha256)s
    AND publication.status = 'published';
