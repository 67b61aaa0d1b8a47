-- Record the hashed id of a user as forgotten since a time, or since now.
INSERT INTO {storage}.forgotten (user_hash, forgotten_at)
VALUES (%(user_hash)s, coalesce(%(forgotten_at)s::timestamptz, now()))
ON CONFLICT DO NOTHING;
