-- Take over the key of the schema that was dropped: hashes made with it still stand for the same users.
UPDATE {storage}.forget_key SET key = %(key)s;
