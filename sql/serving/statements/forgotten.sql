-- The hashed ids of forgotten users, and since when they are forgotten.
SELECT user_hash, forgotten_at FROM {storage}.forgotten;
