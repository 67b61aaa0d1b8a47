-- Hashes of the users who are kept out, and since when.
SELECT user_hash, forgotten_at FROM {storage}.forgotten;
