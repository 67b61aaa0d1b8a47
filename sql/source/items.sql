-- What the shop sells today, one row for each item. Optional: without this file every item that was
-- bought may be recommended, and there are no popular items by category.
--
--   item_id     of the type that [ids] in config.toml says
--   name        for people
--   category    one for each item; popular_items has a list for each. No category is named 'all'
--   price       what one piece costs today
--   discount    the money taken off it today, so that price + discount is what it cost before
--   available   true or false (or 1 and 0); an item that is false is not recommended. NULL: it is
--
-- And three times or dates, for shops that keep them. Times without zone are read in [source] timezone, a date is
-- the midnight that it begins; numbers since 1970 are cast here: to_timestamp(seconds) in PostgreSQL,
-- FROM_UNIXTIME(seconds) in MySQL. NULL, `infinity` and 9999-12-31 say: always, or for ever
--
--   added_at         since when it is sold; before, it is not available
--   available_until  from when on it is no longer sold, and not available
--   known_at         since when this row says what it says (name, category, ...). What lists were made of before is
--                    measured without it
--
-- All but item_id may be left out. The line `also, where ...` selects those of its columns that the table has.
-- Where yours are called otherwise, select them as all others: created_at AS added_at.
SELECT
    product_id AS item_id,
    name       AS name,
    category   AS category,
    price      AS price,
    discount   AS discount,
    available  AS available
    -- also, where products has them: added_at, available_until, known_at
FROM products
