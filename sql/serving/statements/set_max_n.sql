-- Set the most rows that recommend() returns.
UPDATE {storage}.live SET max_n = %(max_n)s WHERE max_n <> %(max_n)s;
