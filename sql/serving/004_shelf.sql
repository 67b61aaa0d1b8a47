-- What an app shows beyond the published lists: rules applied at reading time (blocked items), a
-- fallback that knows what the user bought and where, the reasons in words, and what is bought together.

SET LOCAL ROLE {publisher};

-- What recommend() needs beside a user's list, unseen by readers. Only bought items that a popular
-- list holds: no other can be met when a list is filled up.
CREATE TABLE {storage}.user_purchases (
    version bigint NOT NULL CHECK (version >= 1),
    user_id {user_id_type} NOT NULL,
    item_ids {item_id_type}[] NOT NULL,
    PRIMARY KEY (version, user_id),
    CONSTRAINT user_purchases_list_is_not_empty CHECK (cardinality(item_ids) >= 1),
    CONSTRAINT user_purchases_list_is_flat CHECK (array_ndims(item_ids) = 1),
    CONSTRAINT user_purchases_no_item_is_null CHECK (array_position(item_ids, NULL) IS NULL),
    CONSTRAINT user_purchases_no_item_twice CHECK ({storage}.has_no_repeats(item_ids))
) WITH (vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE {storage}.user_categories (
    version bigint NOT NULL CHECK (version >= 1),
    user_id {user_id_type} NOT NULL,
    categories text[] NOT NULL,
    PRIMARY KEY (version, user_id),
    CONSTRAINT user_categories_list_is_not_empty CHECK (cardinality(categories) >= 1),
    CONSTRAINT user_categories_list_is_flat CHECK (array_ndims(categories) = 1),
    CONSTRAINT user_categories_no_category_is_null CHECK (array_position(categories, NULL) IS NULL),
    CONSTRAINT user_categories_no_category_twice CHECK ({storage}.has_no_repeats(categories))
) WITH (vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE {storage}.item_names (
    version bigint NOT NULL CHECK (version >= 1),
    item_id {item_id_type} NOT NULL,
    name text,
    category text,
    PRIMARY KEY (version, item_id)
) WITH (vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0.05);

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

ALTER TABLE {storage}.user_purchases ALTER item_ids SET STATISTICS 0;
ALTER TABLE {storage}.user_categories ALTER categories SET STATISTICS 0;
ALTER TABLE {storage}.also_bought_lists
    ALTER also_bought_item_ids SET STATISTICS 0, ALTER supports SET STATISTICS 0, ALTER lifts SET STATISTICS 0;

GRANT SELECT ON
    {storage}.user_purchases, {storage}.user_categories, {storage}.item_names, {storage}.also_bought_lists
    TO {owner};

SET LOCAL ROLE {owner};

CREATE TABLE {schema}.blocked_items (
    item_id {item_id_type} PRIMARY KEY,
    reason text NOT NULL CHECK (reason <> ''),
    until timestamptz,
    blocked_at timestamptz NOT NULL DEFAULT now(),
    blocked_by text NOT NULL DEFAULT session_user
);

COMMENT ON TABLE {schema}.blocked_items IS
'Items kept off the shelf from now on, whatever is published: recommend() and on_shelf leave them out.';
COMMENT ON COLUMN {schema}.blocked_items.item_id IS 'The shop''s own id of the item.';
COMMENT ON COLUMN {schema}.blocked_items.reason IS 'Why, for colleagues, e.g. sold out.';
COMMENT ON COLUMN {schema}.blocked_items.until IS 'When the item may be shown again; null: when the row is deleted.';
COMMENT ON COLUMN {schema}.blocked_items.blocked_at IS 'When the row was written.';
COMMENT ON COLUMN {schema}.blocked_items.blocked_by IS 'The login that wrote it.';

CREATE VIEW {schema}.on_shelf AS
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
        row_number() OVER (ORDER BY listed.place)::integer AS rank,
        listed.item_id, listed.score, listed.reason, listed.because_item_id
    FROM unnest(lists.item_ids, lists.scores, lists.reasons, lists.because_item_ids)
        WITH ORDINALITY AS listed (item_id, score, reason, because_item_id, place)
    WHERE (
        SELECT true FROM {schema}.blocked_items AS blocked
        WHERE blocked.item_id = listed.item_id AND (blocked.until IS NULL OR blocked.until > now())
    ) IS NULL
) AS entry
WHERE lists.version = (SELECT live.version FROM {storage}.live);

COMMENT ON VIEW {schema}.on_shelf IS
'recommendations without the items in blocked_items, ranks closed up.';
COMMENT ON COLUMN {schema}.on_shelf.user_id IS 'The shop''s own id of the user.';
COMMENT ON COLUMN {schema}.on_shelf.rank IS
'Place among what may be shown: 1, 2, 3, ... without holes; 1 is the best.';
COMMENT ON COLUMN {schema}.on_shelf.item_id IS 'The shop''s own id of the item; no item twice for a user.';
COMMENT ON COLUMN {schema}.on_shelf.score IS 'What the list is ordered by; comparable within one list only.';
COMMENT ON COLUMN {schema}.on_shelf.reason IS
'Why the item is there, e.g. similar_to_purchase, bought_again; may be null.';
COMMENT ON COLUMN {schema}.on_shelf.because_item_id IS
'The item the user bought that explains this one; may be null.';
COMMENT ON COLUMN {schema}.on_shelf.version IS
'The publication that the row belongs to; the same in every row.';

CREATE VIEW {schema}.also_bought AS
SELECT
    lists.item_id,
    generate_subscripts(lists.also_bought_item_ids, 1) AS rank,
    unnest(lists.also_bought_item_ids) AS also_bought_item_id,
    unnest(lists.supports) AS support,
    unnest(lists.lifts) AS lift,
    lists.version
FROM {storage}.also_bought_lists AS lists
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

-- A long enough list costs three lookups: the pointer, the list, and which of its items are blocked.
CREATE OR REPLACE FUNCTION {schema}.recommend(user_id {user_id_type}, n integer DEFAULT 10)
    RETURNS TABLE (
        rank integer,
        item_id {item_id_type},
        score double precision,
        source text,
        reason text,
        because_item_id {item_id_type},
        version bigint
    )
    LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $body$
#variable_conflict use_column
DECLARE
    asked_user ALIAS FOR $1;
    asked_n ALIAS FOR $2;
    shown bigint;
    wanted integer;
    own {storage}.user_lists;
    kept_off {item_id_type}[];
    n_own bigint;
BEGIN
    IF asked_n IS NULL OR asked_n < 1 THEN
        RETURN;
    END IF;
    SELECT live.version, least(asked_n, live.max_n) INTO shown, wanted FROM {storage}.live;
    SELECT lists.* INTO own
    FROM {storage}.user_lists AS lists
    WHERE lists.version = shown AND lists.user_id = asked_user;
    SELECT coalesce(array_agg(blocked.item_id), '{{}}') INTO kept_off
    FROM {schema}.blocked_items AS blocked
    WHERE blocked.item_id = ANY (own.item_ids) AND (blocked.until IS NULL OR blocked.until > now());
    RETURN QUERY
    SELECT
        (row_number() OVER (ORDER BY entry.place))::integer, entry.item_id, entry.score, 'personal',
        entry.reason, entry.because_item_id, shown
    FROM unnest(own.item_ids, own.scores, own.reasons, own.because_item_ids)
        WITH ORDINALITY AS entry (item_id, score, reason, because_item_id, place)
    WHERE entry.place <= wanted + cardinality(kept_off) AND entry.item_id <> ALL (kept_off)
    ORDER BY entry.place
    LIMIT wanted;
    GET DIAGNOSTICS n_own = ROW_COUNT;
    IF n_own < wanted THEN
        RETURN QUERY
        WITH taken AS (
            SELECT unnest(own.item_ids) AS item_id
            UNION ALL
            SELECT unnest(bought.item_ids)
            FROM {storage}.user_purchases AS bought
            WHERE bought.version = shown AND bought.user_id = asked_user
        ),
        tiers AS (
            SELECT 'popular_in_category' AS source, wished.place, wished.category
            FROM {storage}.user_categories AS lists,
                unnest(lists.categories) WITH ORDINALITY AS wished (category, place)
            WHERE lists.version = shown AND lists.user_id = asked_user
            UNION ALL
            SELECT 'popular', NULL, 'all'
        ),
        candidates AS (
            SELECT DISTINCT ON (entry.item_id)
                tiers.source, entry.place, tiers.place AS tier, entry.item_id, entry.score
            FROM tiers
            JOIN {storage}.popular_lists AS lists
                ON lists.version = shown AND lists.category = tiers.category,
                unnest(lists.item_ids, lists.scores) WITH ORDINALITY AS entry (item_id, score, place)
            WHERE NOT EXISTS (SELECT FROM taken WHERE taken.item_id = entry.item_id)
                AND NOT EXISTS (
                    SELECT FROM {schema}.blocked_items AS blocked
                    WHERE blocked.item_id = entry.item_id
                        AND (blocked.until IS NULL OR blocked.until > now())
                )
            ORDER BY entry.item_id, tiers.place NULLS LAST, entry.place
        )
        SELECT
            (n_own + row_number() OVER filling)::integer, candidates.item_id, candidates.score,
            candidates.source,
            CASE candidates.source WHEN 'popular' THEN 'recently_popular' ELSE candidates.source END,
            NULL::{item_id_type}, shown
        FROM candidates
        WINDOW filling AS (ORDER BY candidates.tier IS NULL, candidates.place, candidates.tier)
        ORDER BY candidates.tier IS NULL, candidates.place, candidates.tier
        LIMIT wanted - n_own;
    END IF;
END
$body$;

COMMENT ON FUNCTION {schema}.recommend({user_id_type}, integer) IS
'n rows for anyone (10 unless told, at most the shop''s max_n) while the catalogue has them: the user''s own
list (source = personal), then the best of each category the user bought most from, the second of each, ...
(source = popular_in_category), then what is popular in the shop (source = popular). No item twice, none in
blocked_items; where bought items are left out (repeat_purchases = exclude), none that the user bought. An
unknown or null user gets the popular items; n null, 0 or negative gets no rows. Columns: rank 1, 2, 3, ...;
item_id; score, comparable within one source only; source; reason and because_item_id as in the view
recommendations; version, the publication.';

CREATE FUNCTION {schema}.explain(user_id {user_id_type}, item_id {item_id_type}) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $body$
WITH shown AS (SELECT live.version FROM {storage}.live),
listed AS (
    SELECT 1 AS tier, lists.reasons[array_position(lists.item_ids, $2)] AS reason,
        lists.because_item_ids[array_position(lists.item_ids, $2)] AS because_item_id, NULL AS category
    FROM {storage}.user_lists AS lists, shown
    WHERE lists.version = shown.version AND lists.user_id = $1 AND $2 = ANY (lists.item_ids)
    UNION ALL
    SELECT 2, 'popular_in_category', NULL, popular.category
    FROM shown
    JOIN {storage}.item_names AS named ON named.version = shown.version AND named.item_id = $2
    JOIN {storage}.user_categories AS wished
        ON wished.version = shown.version AND wished.user_id = $1 AND named.category = ANY (wished.categories)
    JOIN {storage}.popular_lists AS popular
        ON popular.version = shown.version AND popular.category = named.category
            AND $2 = ANY (popular.item_ids)
    UNION ALL
    SELECT 3, 'recently_popular', NULL, NULL
    FROM {storage}.popular_lists AS popular, shown
    WHERE popular.version = shown.version AND popular.category = 'all' AND $2 = ANY (popular.item_ids)
),
best AS (SELECT * FROM listed ORDER BY listed.tier LIMIT 1)
SELECT CASE best.reason
    WHEN 'similar_to_purchase' THEN 'because you bought ' || coalesce(because.name, because_item_id::text)
    WHEN 'bought_again' THEN 'because you bought it before'
    WHEN 'popular_in_category' THEN 'popular in ' || best.category || ', where you bought'
    WHEN 'recently_popular' THEN 'popular in the shop'
    ELSE 'recommended for you'
END
FROM best
LEFT JOIN {storage}.item_names AS because
    ON because.version = (SELECT shown.version FROM shown) AND because.item_id = best.because_item_id
$body$;

COMMENT ON FUNCTION {schema}.explain({user_id_type}, {item_id_type}) IS
'Why recommend() shows this item to this user, in words, e.g. because you bought BANANAS; null when it does not.';

REVOKE ALL ON FUNCTION {schema}.explain({user_id_type}, {item_id_type}) FROM PUBLIC;
GRANT SELECT ON {schema}.on_shelf, {schema}.also_bought TO {reader}, {operator};
GRANT EXECUTE ON FUNCTION {schema}.explain({user_id_type}, {item_id_type}) TO {reader}, {operator};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.blocked_items TO {operator};
