-- The time of the newest event of any kind before $as_of; one row, null where there is none.
-- Reads: events. Binds: $as_of.
SELECT max(occurred_at) AS newest FROM events WHERE occurred_at < $as_of
