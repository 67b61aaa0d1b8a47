-- The newest publications of a mode up to a time, newest first: the gate compares a night's lists with them.
-- Where one was published although it had shrunk, those before it are left out.
WITH candidate AS (
    SELECT
        publication.number,
        publication.version,
        publication.as_of,
        publication.published_at,
        publication.precision_at_3,
        publication.n_users,
        publication.n_items,
        publication.decision -> 'measured_in' AS measured_in,
        publication.params ->> 'model' AS model,
        coalesce(
            publication.decision -> 'refused_for' @> '["shrink"]'
            OR publication.decision -> 'let_pass' @> '["shrink"]',
            false
        ) AS has_shrunk
    FROM {storage}.publication
    WHERE publication.status = 'published'
        AND publication.repeat_purchases = %(repeat_purchases)s
        AND publication.as_of <= %(as_of)s
)
SELECT
    candidate.version,
    candidate.as_of,
    candidate.published_at,
    candidate.precision_at_3,
    candidate.n_users,
    candidate.n_items,
    candidate.measured_in,
    candidate.model
FROM candidate
WHERE NOT EXISTS (
    SELECT FROM candidate AS later
    WHERE later.has_shrunk AND (later.as_of, later.number) > (candidate.as_of, candidate.number)
)
ORDER BY candidate.as_of DESC, candidate.number DESC
LIMIT 7;
