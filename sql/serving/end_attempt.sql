-- The attempt has come to its end.
DELETE FROM {storage}.attempt WHERE version = %(version)s;
