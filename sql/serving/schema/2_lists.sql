-- The published lists: one table for each kind of list, and the view on its live version.
--
-- A list is one row: an item's rank is its subscript in the row's arrays, so that a rank below 1, a missing rank
-- or a rank held twice cannot be stored. Rows of old versions are deleted, and no table is ever dropped: readers
-- wait for nobody, and a reader's snapshot stays whole. Statistics of arrays take long to gather and help no query.
--
-- A view looks the pointer up in a scalar subquery, so that one user's list is one index lookup. It unfolds each
-- list beside its row, so that a join with an app's own table looks up one list for each row of that table.

SET LOCAL ROLE {publisher};

-- Whether an array holds no element twice.
CREATE FUNCTION {storage}.has_no_repeats(ids anyarray) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $body$ SELECT count(DISTINCT id) = cardinality(ids) FROM unnest(ids) AS id $body$;
REVOKE ALL ON FUNCTION {storage}.has_no_repeats(anyarray) FROM PUBLIC;

CREATE TABLE {storage}.user_lists (
    version bigint NOT NULL,
    user_id {user_id_type} NOT NULL,
    item_ids {item_id_type}[] NOT NULL,
    scores double precision[] NOT NULL,
    reasons text[] NOT NULL,
    because_item_ids {item_id_type}[] NOT NULL,
    PRIMARY KEY (version, user_id),
    CONSTRAINT user_lists_version_is_positive CHECK (version >= 1),
    CONSTRAINT user_lists_list_is_not_empty CHECK (cardinality(item_ids) >= 1),
    CONSTRAINT user_lists_ranks_start_at_1 CHECK (
        (array_ndims(item_ids), array_lower(item_ids, 1)) = (1, 1)
        AND (array_ndims(scores), array_lower(scores, 1)) = (1, 1)
        AND (array_ndims(reasons), array_lower(reasons, 1)) = (1, 1)
        AND (array_ndims(because_item_ids), array_lower(because_item_ids, 1)) = (1, 1)
    ),
    CONSTRAINT user_lists_arrays_are_of_one_length CHECK (
        cardinality(scores) = cardinality(item_ids)
        AND cardinality(reasons) = cardinality(item_ids)
        AND cardinality(because_item_ids) = cardinality(item_ids)
    ),
    CONSTRAINT user_lists_no_item_is_null CHECK (array_position(item_ids, NULL) IS NULL),
    CONSTRAINT user_lists_no_item_twice CHECK ({storage}.has_no_repeats(item_ids)),
    CONSTRAINT user_lists_no_score_is_null CHECK (array_position(scores, NULL) IS NULL),
    CONSTRAINT user_lists_scores_are_real CHECK (-1e30 < ALL (scores) AND 'Infinity' > ALL (scores))
) WITH (vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE {storage}.user_lists
    ALTER item_ids SET STATISTICS 0, ALTER scores SET STATISTICS 0,
    ALTER reasons SET STATISTICS 0, ALTER because_item_ids SET STATISTICS 0;
GRANT SELECT ON {storage}.user_lists TO {owner};

CREATE TABLE {storage}.popular_lists (
    version bigint NOT NULL,
    category text NOT NULL,
    item_ids {item_id_type}[] NOT NULL,
    scores double precision[] NOT NULL,
    PRIMARY KEY (version, category),
    CONSTRAINT popular_lists_version_is_positive CHECK (version >= 1),
    CONSTRAINT popular_lists_list_is_not_empty CHECK (cardinality(item_ids) >= 1),
    CONSTRAINT popular_lists_ranks_start_at_1 CHECK (
        (array_ndims(item_ids), array_lower(item_ids, 1)) = (1, 1)
        AND (array_ndims(scores), array_lower(scores, 1)) = (1, 1)
    ),
    CONSTRAINT popular_lists_arrays_are_of_one_length CHECK (cardinality(scores) = cardinality(item_ids)),
    CONSTRAINT popular_lists_no_item_is_null CHECK (array_position(item_ids, NULL) IS NULL),
    CONSTRAINT popular_lists_no_item_twice CHECK ({storage}.has_no_repeats(item_ids)),
    CONSTRAINT popular_lists_no_score_is_null CHECK (array_position(scores, NULL) IS NULL),
    CONSTRAINT popular_lists_scores_are_real CHECK (-1e30 < ALL (scores) AND 'Infinity' > ALL (scores))
) WITH (vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE {storage}.popular_lists ALTER item_ids SET STATISTICS 0, ALTER scores SET STATISTICS 0;
GRANT SELECT ON {storage}.popular_lists TO {owner};

CREATE TABLE {storage}.similar_lists (
    version bigint NOT NULL,
    item_id {item_id_type} NOT NULL,
    similar_item_ids {item_id_type}[] NOT NULL,
    scores double precision[] NOT NULL,
    PRIMARY KEY (version, item_id),
    CONSTRAINT similar_lists_version_is_positive CHECK (version >= 1),
    CONSTRAINT similar_lists_list_is_not_empty CHECK (cardinality(similar_item_ids) >= 1),
    CONSTRAINT similar_lists_ranks_start_at_1 CHECK (
        (array_ndims(similar_item_ids), array_lower(similar_item_ids, 1)) = (1, 1)
        AND (array_ndims(scores), array_lower(scores, 1)) = (1, 1)
    ),
    CONSTRAINT similar_lists_arrays_are_of_one_length
        CHECK (cardinality(scores) = cardinality(similar_item_ids)),
    CONSTRAINT similar_lists_no_item_is_null CHECK (array_position(similar_item_ids, NULL) IS NULL),
    CONSTRAINT similar_lists_no_item_twice CHECK ({storage}.has_no_repeats(similar_item_ids)),
    CONSTRAINT similar_lists_no_item_is_its_own CHECK (item_id <> ALL (similar_item_ids)),
    CONSTRAINT similar_lists_no_score_is_null CHECK (array_position(scores, NULL) IS NULL),
    CONSTRAINT similar_lists_scores_are_real CHECK (-1e30 < ALL (scores) AND 'Infinity' > ALL (scores))
) WITH (vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE {storage}.similar_lists ALTER similar_item_ids SET STATISTICS 0, ALTER scores SET STATISTICS 0;
GRANT SELECT ON {storage}.similar_lists TO {owner};

CREATE TABLE {storage}.also_bought_lists (
    version bigint NOT NULL CHECK (version >= 1),
    item_id {item_id_type} NOT NULL,
    also_bought_item_ids {item_id_type}[] NOT NULL,
    supports double precision[] NOT NULL,
    lifts double precision[] NOT NULL,
    PRIMARY KEY (version, item_id),
    CONSTRAINT also_bought_lists_list_is_not_empty CHECK (cardinality(also_bought_item_ids) >= 1),
    CONSTRAINT also_bought_lists_ranks_start_at_1 CHECK (
        (array_ndims(also_bought_item_ids), array_lower(also_bought_item_ids, 1)) = (1, 1)
        AND (array_ndims(supports), array_lower(supports, 1)) = (1, 1)
        AND (array_ndims(lifts), array_lower(lifts, 1)) = (1, 1)
    ),
    CONSTRAINT also_bought_lists_arrays_are_of_one_length CHECK (
        cardinality(supports) = cardinality(also_bought_item_ids)
        AND cardinality(lifts) = cardinality(also_bought_item_ids)
    ),
    CONSTRAINT also_bought_lists_no_item_is_null CHECK (array_position(also_bought_item_ids, NULL) IS NULL),
    CONSTRAINT also_bought_lists_no_item_twice CHECK ({storage}.has_no_repeats(also_bought_item_ids)),
    CONSTRAINT also_bought_lists_no_item_is_its_own CHECK (item_id <> ALL (also_bought_item_ids)),
    CONSTRAINT also_bought_lists_no_number_is_null CHECK (
        array_position(supports, NULL) IS NULL AND array_position(lifts, NULL) IS NULL
    ),
    CONSTRAINT also_bought_lists_supports_are_shares CHECK (0 < ALL (supports) AND 1 >= ALL (supports)),
    CONSTRAINT also_bought_lists_lifts_are_real CHECK (0 < ALL (lifts) AND 'Infinity' > ALL (lifts))
) WITH (vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE {storage}.also_bought_lists
    ALTER also_bought_item_ids SET STATISTICS 0, ALTER supports SET STATISTICS 0, ALTER lifts SET STATISTICS 0;
GRANT SELECT ON {storage}.also_bought_lists TO {owner};

SET LOCAL ROLE {owner};

CREATE VIEW {schema}.recommendations AS
SELECT
    lists.user_id,
    entry.rank,
    entry.item_id,
    entry.score,
    entry.reason,
    entry.because_item_id,
    lists.version
FROM {storage}.user_lists AS lists
CROSS JOIN LATERAL (
    SELECT
        generate_subscripts(lists.item_ids, 1) AS rank,
        unnest(lists.item_ids) AS item_id,
        unnest(lists.scores) AS score,
        unnest(lists.reasons) AS reason,
        unnest(lists.because_item_ids) AS because_item_id
) AS entry
WHERE lists.version = (SELECT live.version FROM {storage}.live);

COMMENT ON VIEW {schema}.recommendations IS
'One row for each item in a user''s list, of the live publication.';
COMMENT ON COLUMN {schema}.recommendations.user_id IS 'The shop''s own id of the user.';
COMMENT ON COLUMN {schema}.recommendations.rank IS
'Place in the user''s list: 1, 2, 3, ... without holes; 1 is the best.';
COMMENT ON COLUMN {schema}.recommendations.item_id IS
'The shop''s own id of the item; no item twice for a user.';
COMMENT ON COLUMN {schema}.recommendations.score IS
'What the list is ordered by; comparable within one list only.';
COMMENT ON COLUMN {schema}.recommendations.reason IS
'Why the item is there, e.g. similar_to_purchase, bought_again; may be null.';
COMMENT ON COLUMN {schema}.recommendations.because_item_id IS
'The item the user bought that explains this one; may be null.';
COMMENT ON COLUMN {schema}.recommendations.version IS
'The publication that the row belongs to; the same in every row.';
GRANT SELECT ON {schema}.recommendations TO {reader}, {operator};

CREATE VIEW {schema}.popular_items AS
SELECT
    lists.category,
    entry.rank,
    entry.item_id,
    entry.score,
    lists.version
FROM {storage}.popular_lists AS lists
CROSS JOIN LATERAL (
    SELECT
        generate_subscripts(lists.item_ids, 1) AS rank,
        unnest(lists.item_ids) AS item_id,
        unnest(lists.scores) AS score
) AS entry
WHERE lists.version = (SELECT live.version FROM {storage}.live);

COMMENT ON VIEW {schema}.popular_items IS
'What sells: for the whole shop and for each category, of the live publication.';
COMMENT ON COLUMN {schema}.popular_items.category IS 'The shop''s category; ''all'' is the whole shop.';
COMMENT ON COLUMN {schema}.popular_items.rank IS
'Place in the category: 1, 2, 3, ... without holes; 1 is the most popular.';
COMMENT ON COLUMN {schema}.popular_items.item_id IS
'The shop''s own id of the item; no item twice in a category.';
COMMENT ON COLUMN {schema}.popular_items.score IS
'Recent purchases, newer ones counting more; comparable within one list only.';
COMMENT ON COLUMN {schema}.popular_items.version IS
'The publication that the row belongs to; the same in every row.';
GRANT SELECT ON {schema}.popular_items TO {reader}, {operator};

CREATE VIEW {schema}.similar_items AS
SELECT
    lists.item_id,
    entry.rank,
    entry.similar_item_id,
    entry.score,
    lists.version
FROM {storage}.similar_lists AS lists
CROSS JOIN LATERAL (
    SELECT
        generate_subscripts(lists.similar_item_ids, 1) AS rank,
        unnest(lists.similar_item_ids) AS similar_item_id,
        unnest(lists.scores) AS score
) AS entry
WHERE lists.version = (SELECT live.version FROM {storage}.live);

COMMENT ON VIEW {schema}.similar_items IS
'For each item those liked by the same people, of the live publication.';
COMMENT ON COLUMN {schema}.similar_items.item_id IS 'The shop''s own id of the item one looks at.';
COMMENT ON COLUMN {schema}.similar_items.rank IS
'Place in the item''s list: 1, 2, 3, ... without holes; 1 is the most similar.';
COMMENT ON COLUMN {schema}.similar_items.similar_item_id IS
'The item that is like it; never the item itself.';
COMMENT ON COLUMN {schema}.similar_items.score IS 'How alike they are; comparable within one list only.';
COMMENT ON COLUMN {schema}.similar_items.version IS
'The publication that the row belongs to; the same in every row.';
GRANT SELECT ON {schema}.similar_items TO {reader}, {operator};

CREATE VIEW {schema}.also_bought AS
SELECT
    lists.item_id,
    entry.rank,
    entry.also_bought_item_id,
    entry.support,
    entry.lift,
    lists.version
FROM {storage}.also_bought_lists AS lists
CROSS JOIN LATERAL (
    SELECT
        generate_subscripts(lists.also_bought_item_ids, 1) AS rank,
        unnest(lists.also_bought_item_ids) AS also_bought_item_id,
        unnest(lists.supports) AS support,
        unnest(lists.lifts) AS lift
) AS entry
WHERE lists.version = (SELECT live.version FROM {storage}.live);

COMMENT ON VIEW {schema}.also_bought IS
'For each item what its buyers also bought, more often than chance, of the live publication.';
COMMENT ON COLUMN {schema}.also_bought.item_id IS 'The shop''s own id of the item one looks at.';
COMMENT ON COLUMN {schema}.also_bought.rank IS
'Place in the item''s list: 1, 2, 3, ... without holes; 1 is the surest.';
COMMENT ON COLUMN {schema}.also_bought.also_bought_item_id IS
'The item its buyers also bought; never the item itself.';
COMMENT ON COLUMN {schema}.also_bought.support IS 'Share of all buyers who bought both; above 0, at most 1.';
COMMENT ON COLUMN {schema}.also_bought.lift IS
'How many times more buyers bought both than if the two had nothing to do with each other; above 1.';
COMMENT ON COLUMN {schema}.also_bought.version IS
'The publication that the row belongs to; the same in every row.';
GRANT SELECT ON {schema}.also_bought TO {reader}, {operator};
