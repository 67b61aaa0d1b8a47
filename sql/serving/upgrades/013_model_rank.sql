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

CREATE VIEW {schema}.model_order AS
SELECT
    lists.user_id,
    entry.model_rank,
    entry.item_id,
    entry.rank,
    lists.version
FROM {storage}.user_lists AS lists
CROSS JOIN LATERAL (
    SELECT listed.model_rank, listed.item_id, listed.rank
    FROM (
        SELECT
            generate_subscripts(lists.item_ids, 1) AS rank,
            unnest(lists.item_ids) AS item_id,
            unnest(lists.model_rank) AS model_rank
    ) AS listed
    WHERE listed.model_rank IS NOT NULL AND NOT {schema}.is_blocked(listed.item_id)
) AS entry
WHERE lists.version = (SELECT live.version FROM {storage}.live);

COMMENT ON VIEW {schema}.model_order IS
'The lists of the live publication in the model''s own order, before they were given variety, without blocked items; no
row where a list has none.';
COMMENT ON COLUMN {schema}.model_order.user_id IS 'The shop''s own id of the user.';
COMMENT ON COLUMN {schema}.model_order.model_rank IS 'Place in the model''s own order; 1 is the best. Items that are new in the shop have none.';
COMMENT ON COLUMN {schema}.model_order.item_id IS 'The shop''s own id of the item; no item twice for a user.';
COMMENT ON COLUMN {schema}.model_order.rank IS 'Place in the user''s list as it is shown: rank of the view recommendations.';
COMMENT ON COLUMN {schema}.model_order.version IS 'The publication that the row belongs to; the same in every row.';
GRANT SELECT ON {schema}.model_order TO {reader}, {operator};
