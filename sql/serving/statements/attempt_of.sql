-- Since when a process has been loading.
SELECT max(started_at) AS since FROM {storage}.attempt WHERE pid = %(pid)s;
