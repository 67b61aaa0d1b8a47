-- Note who is about to load which version: the number of an old publication, or a new one.
INSERT INTO {storage}.attempt (version, run_id)
VALUES (coalesce(%(version)s::bigint, nextval('{storage}.version_number')), %(run_id)s)
RETURNING version;
