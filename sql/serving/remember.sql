-- Keep a user out, from now on if no other time is told.
INSERT INTO {storage}.forgotten (user_hash, forgotten_at)
VALUES (%(user_hash)s, coalesce(%(forgotten_at)s::timestamptz, now()))
ON CONFLICT DO NOTHING;
