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
-- All but item_id may be left out.
SELECT
    product_id AS item_id,
    name       AS name,
    category   AS category,
    price      AS price,
    discount   AS discount,
    available  AS available
FROM products
