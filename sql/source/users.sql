-- Who may be recommended to, one row for each user. Optional: delete this file, and everybody who
-- bought takes part. With it, users who are absent from it get no list and leave training, which is
-- how a deleted account is forgotten.
--
--   user_id   of the type that [ids] in config.toml says
--   segment   any word for a group of users, or NULL
SELECT
    customer_id AS user_id,
    segment     AS segment
FROM customers
