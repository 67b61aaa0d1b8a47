-- The time of the newest event, of any kind, before $as_of; one row.
SELECT max(occurred_at) AS newest FROM events WHERE occurred_at < $as_of
