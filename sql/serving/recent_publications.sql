-- The newest publications of a mode up to a time, newest first: what a night's lists are held against.
-- The last one that was let pass though it had shrunk begins anew: nothing from before it counts.
WITH known AS (
    SELECT
        publication.number,
        publication.version,
        publication.as_of,
        publication.published_at,
        publication.precision_at_3,
        publication.n_users,
        publication.n_items,
        coalesce(
            publication.decision -> 'refused_for' @> '["shrink"]'
            OR publication.decision -> 'let_pass' @> '["shrink"]',
            false
        ) AS is_anew
    FROM {storage}.publication
    WHERE publication.status = 'published'
        AND publication.repeat_purchases = %(repeat_purchases)s
        AND publication.as_of <= %(as_of)s
)
SELECT
    known.version,
    known.as_of,
    known.published_at,
    known.precision_at_3,
    known.n_users,
    known.n_items
FROM known
WHERE NOT EXISTS (
    SELECT FROM known AS later
    WHERE later.is_anew AND (later.as_of, later.number) > (known.as_of, known.number)
)
ORDER BY known.as_of DESC, known.number DESC
LIMIT 7;
