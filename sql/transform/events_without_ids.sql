-- How many events there are, and how many name no user, or no item; one row.
-- Reads: events.
SELECT
    count(*) AS n_events,
    count(*) FILTER (WHERE user_id IS NULL) AS n_without_user,
    count(*) FILTER (WHERE item_id IS NULL) AS n_without_item
FROM events
