-- Hashes of the users who are kept out.
SELECT user_hash FROM {storage}.forgotten;
