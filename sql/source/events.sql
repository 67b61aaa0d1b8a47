-- What happened in the shop: one row for each view, cart and purchase.
--
-- Point this at your own tables: keep the names after AS and both bound times, change the rest.
-- It must be one SELECT (joins, CASE and UNION are fine) and runs inside parentheses, so end it
-- without ORDER BY; `python -m pipeline run extract` tries it.
--
--   user_id, item_id   of the types that [ids] in config.toml says
--   event_type         'view', 'cart' or 'purchase'; map other words here, with CASE
--   occurred_at        a time; without zone it is read in [source] timezone. Index this column. Numbers since
--                      1970 are cast here and in WHERE: to_timestamp(seconds) in PostgreSQL,
--                      FROM_UNIXTIME(seconds) in MySQL
--   order_id           the order of a purchase; NULL for views and carts, or if there are no orders
--   quantity           pieces bought; a shop that has none selects 1 AS quantity. Returns may be negative
--
-- And three that may be left out, or be NULL; each is a number:
--
--   price              paid for one piece, not for the whole line
--   discount           taken off one piece, in money: price + discount is what it cost before
--   rating             how much the user liked the item, 0 or more; [weights] rating_weight says what it does
--
-- The line `also, where ...` selects those of its columns that the table has. Where yours are called
-- otherwise, select them as all others: sum_paid / quantity AS price.
--
-- The window is half-open: its start belongs to it, its end does not.
SELECT
    customer_id AS user_id,
    product_id  AS item_id,
    event_type  AS event_type,
    occurred_at AS occurred_at,
    order_id    AS order_id,
    quantity    AS quantity
    -- also, where events has them: price, discount, rating
FROM events
WHERE occurred_at >= :window_start
  AND occurred_at <  :window_end
