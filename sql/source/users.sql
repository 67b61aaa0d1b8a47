-- Who may be recommended to, one row for each user. Optional: delete this file, and everybody who
-- bought takes part. With it, users who are absent from it get no list and leave training, which is
-- how a deleted account is forgotten.
--
--   user_id   of the type that [ids] in config.toml says
--   segment   any word for a group of users, or NULL
--
-- And whatever else is known of a user: any further columns, under any names. Numbers, words and true or false are read as
-- attributes: they say who is alike. Names, addresses and other texts that nearly every user has another of are left out,
-- and so are dates: select extract(year FROM born) AS born. One of these columns has a meaning of its own:
--
--   known_at  since when the row's further columns say what they say, a time or a date; what is measured as of an earlier
--             time does without them. Without it they are taken as unchanging
--
-- The line `also, all columns ...` selects what the table has beyond the columns that it names. Without it, or in its
-- place, select those that are wanted: country AS country.
SELECT
    customer_id AS user_id,
    segment     AS segment
    -- also, all columns of customers but customer_id, segment
FROM customers
