-- The place that an item had in the model's own order, before lists were given variety.
--
-- Lists that are published already, and those that have no variety, have no such places.

SET LOCAL ROLE {publisher};

-- null: the order is the model's, or the item is not of the model, or the list was there already.
ALTER TABLE {storage}.user_lists
    ADD COLUMN model_rank integer[],
    ADD CONSTRAINT user_lists_model_ranks_are_of_one_length CHECK (
        coalesce(cardinality(model_rank), cardinality(item_ids)) = cardinality(item_ids)
    ) NOT VALID,
    ADD CONSTRAINT user_lists_model_ranks_start_at_1 CHECK (
        (array_ndims(model_rank) = 1 AND array_lower(model_rank, 1) = 1) IS NOT FALSE
    ) NOT VALID,
    ADD CONSTRAINT user_lists_model_ranks_are_places CHECK (1 <= ALL (model_rank)) NOT VALID,
    ALTER model_rank SET STATISTICS 0;

SET LOCAL ROLE {owner};

-- A list that is cut shorter than what the model may move up lacks items of its beginning: what comes after the first
-- that is missing is left out, so that it is never taken for the model's order.
CREATE VIEW {schema}.model_order AS
SELECT
    lists.user_id,
    entry.model_rank,
    entry.item_id,
    entry.rank,
    lists.version
FROM {storage}.user_lists AS lists
CROSS JOIN LATERAL (
    SELECT shown.model_rank, shown.item_id, shown.rank
    FROM (
        SELECT
            known.model_rank,
            known.item_id,
            known.nth,
            (row_number() OVER (ORDER BY known.place))::integer AS rank
        FROM (
            SELECT
                listed.place,
                listed.item_id,
                listed.model_rank,
                row_number() OVER (ORDER BY listed.model_rank) AS nth
            FROM (
                SELECT
                    generate_subscripts(lists.item_ids, 1) AS place,
                    unnest(lists.item_ids) AS item_id,
                    unnest(lists.model_rank) AS model_rank
            ) AS listed
        ) AS known
        WHERE (
            SELECT true FROM {schema}.blocked_items AS blocked
            WHERE blocked.item_id = known.item_id AND (blocked.until IS NULL OR blocked.until > now())
        ) IS NULL
    ) AS shown
    WHERE shown.model_rank = shown.nth
) AS entry
WHERE lists.version = (SELECT live.version FROM {storage}.live);

COMMENT ON VIEW {schema}.model_order IS
'The lists of the live publication in the model''s own order, before they were given variety, without blocked items; no
row where a list has none.';
COMMENT ON COLUMN {schema}.model_order.user_id IS 'The shop''s own id of the user.';
COMMENT ON COLUMN {schema}.model_order.model_rank IS
'Place in the model''s own order, of which this is the beginning; 1 is the best.';
COMMENT ON COLUMN {schema}.model_order.item_id IS 'The shop''s own id of the item; no item twice for a user.';
COMMENT ON COLUMN {schema}.model_order.rank IS 'Place in the list as it is shown: rank of the view on_shelf.';
COMMENT ON COLUMN {schema}.model_order.version IS 'The publication that the row belongs to; the same in every row.';
GRANT SELECT ON {schema}.model_order TO {reader}, {operator};
