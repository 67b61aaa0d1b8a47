-- The attributes that are kept, one row for each user and attribute. Of a user who is listed twice, which stops the night,
-- the lower value counts.
-- Reads: user_attributes, attribute_names.
SELECT user_id, name, category, number, known_at
FROM user_attributes
WHERE name IN (SELECT name FROM attribute_names WHERE is_kept)
QUALIFY row_number() OVER (PARTITION BY user_id, name ORDER BY category, number, epoch(known_at)) = 1
ORDER BY user_id, name
