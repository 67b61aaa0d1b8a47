-- Versions whose lists nobody keeps: all but the live one and the newest others.
SELECT publication.version
FROM {storage}.publication
WHERE publication.version IS NOT NULL
    AND publication.dropped_at IS NULL
    AND publication.version IS DISTINCT FROM (SELECT live.version FROM {storage}.live)
ORDER BY publication.version DESC
OFFSET %(keep)s;
