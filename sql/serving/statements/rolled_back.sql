-- The version of this run that was rolled back and has not been live since, if there is one.
SELECT publication.version, move.moved_at, move.moved_by
FROM {storage}.publication
JOIN {storage}.move ON move.from_version = publication.version
    AND move.cause = 'rollback' AND move.to_version <> move.from_version
WHERE publication.run_id = %(run_id)s
    AND NOT EXISTS (
        SELECT FROM {storage}.move AS later
        WHERE later.number > move.number AND later.to_version = publication.version
    )
ORDER BY move.number DESC
LIMIT 1;
