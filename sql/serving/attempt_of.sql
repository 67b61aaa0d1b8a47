-- Since when the process that holds the publishers' lock has been at work.
SELECT max(started_at) AS since FROM {storage}.attempt WHERE pid = %(pid)s;
