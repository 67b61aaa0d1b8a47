-- Delete the note of an attempt that has ended.
DELETE FROM {storage}.attempt WHERE version = %(version)s;
