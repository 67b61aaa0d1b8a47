-- Hash with the key of the schema before this one, so that its hashes go on to mean the same users.
UPDATE {storage}.forget_key SET key = %(key)s;
