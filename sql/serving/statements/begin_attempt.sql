-- Note which run is about to load which version: that of an old publication, or a new number.
INSERT INTO {storage}.attempt (version, run_id)
VALUES (coalesce(%(version)s::bigint, nextval('{storage}.version_number')), %(run_id)s)
RETURNING version;
