-- Every version that may have lists: published ones, and those that were begun.
SELECT publication.version FROM {storage}.publication WHERE publication.version IS NOT NULL
UNION
SELECT attempt.version FROM {storage}.attempt;
