-- The flip. Readers see it with their next statement.
UPDATE {storage}.live SET version = %(version)s, max_n = %(max_n)s;
