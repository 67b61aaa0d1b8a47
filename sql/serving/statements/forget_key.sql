-- The key under which the ids of forgotten users are hashed.
SELECT key FROM {storage}.forget_key;
