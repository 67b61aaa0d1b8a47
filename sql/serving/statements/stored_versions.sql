-- Every version that may have lists: those published, and those that a publisher began to load.
SELECT publication.version FROM {storage}.publication WHERE publication.version IS NOT NULL
UNION
SELECT attempt.version FROM {storage}.attempt;
