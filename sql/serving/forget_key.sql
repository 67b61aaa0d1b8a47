-- What the ids of forgotten users are hashed with.
SELECT key FROM {storage}.forget_key;
