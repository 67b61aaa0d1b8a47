-- How many runs of a mode up to a time were refused because they had shrunk, and for no other reason, since
-- the last one that was published or refused for another reason.
WITH decided AS (
    SELECT
        publication.number,
        publication.as_of,
        publication.run_id,
        publication.status = 'refused'
        AND coalesce(publication.decision -> 'refused_for' = '["shrink"]', false) AS is_refused_for_shrink
    FROM {storage}.publication
    WHERE publication.repeat_purchases = %(repeat_purchases)s AND publication.as_of <= %(as_of)s
)
SELECT count(DISTINCT decided.run_id) AS n_runs
FROM decided
WHERE NOT EXISTS (
    SELECT FROM decided AS later
    WHERE NOT later.is_refused_for_shrink AND (later.as_of, later.number) >= (decided.as_of, decided.number)
);
