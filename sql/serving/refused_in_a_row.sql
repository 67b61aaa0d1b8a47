-- How many runs of a mode up to a time were refused because they had shrunk, and for nothing else, since
-- the last that was published or refused for another reason.
WITH known AS (
    SELECT
        publication.number,
        publication.as_of,
        publication.run_id,
        publication.status = 'refused'
        AND coalesce(publication.decision -> 'refused_for' = '["shrink"]', false) AS is_shrink_alone
    FROM {storage}.publication
    WHERE publication.repeat_purchases = %(repeat_purchases)s AND publication.as_of <= %(as_of)s
)
SELECT count(DISTINCT known.run_id) AS n_runs
FROM known
WHERE NOT EXISTS (
    SELECT FROM known AS later
    WHERE NOT later.is_shrink_alone AND (later.as_of, later.number) >= (known.as_of, known.number)
);
