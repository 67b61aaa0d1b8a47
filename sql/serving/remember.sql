-- Keep a user out from now on.
INSERT INTO {storage}.forgotten (user_hash) VALUES (%(user_hash)s) ON CONFLICT DO NOTHING;
