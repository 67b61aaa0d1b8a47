-- The note of an attempt to load this version; no row when another publisher has removed it.
SELECT version FROM {storage}.attempt WHERE version = %(version)s;
