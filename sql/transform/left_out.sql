-- What the settings leave out of a user's list: with repeats excluded, everything the user bought.
SELECT DISTINCT user_id, item_id
FROM history
WHERE event_type = 'purchase' AND $is_exclude
