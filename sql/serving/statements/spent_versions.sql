-- Versions to drop. Kept are the live one, the one that release() would put live, and of the others the first
-- `keep`: first the one that rollback() would go back to, then the newest. The newest is the one whose window of
-- events ends last, so that nights of past days push out nothing newer.
SELECT publication.version
FROM {storage}.publication
WHERE publication.version IS NOT NULL
    AND publication.dropped_at IS NULL
    AND publication.version IS DISTINCT FROM (SELECT live.version FROM {storage}.live)
    AND publication.version IS DISTINCT FROM (
        SELECT held.version
        FROM {storage}.publication AS held
        WHERE held.is_held_back AND held.dropped_at IS NULL
        ORDER BY held.as_of DESC, held.version DESC
        LIMIT 1
    )
ORDER BY
    publication.version IS NOT DISTINCT FROM (
        SELECT move.from_version
        FROM {storage}.move
        JOIN {storage}.live ON live.version = move.to_version
        WHERE move.from_version <> move.to_version
        ORDER BY move.number DESC
        LIMIT 1
    ) DESC,
    publication.as_of DESC,
    publication.version DESC
OFFSET %(keep)s;
