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
COMMENT ON COLUMN {schema}.blocked_items.blocked_at IS 'When the row was inserted.';
COMMENT ON COLUMN {schema}.blocked_items.blocked_by IS 'The login that inserted it.';

-- Each list is unfolded beside its row, so that a join with an app's own table looks up one list for
-- each row of that. The scalar subquery is one lookup an item whatever the statistics say; NOT EXISTS
-- may become a join that reads all of blocked_items.
CREATE OR REPLACE VIEW {schema}.recommendations AS
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

CREATE OR REPLACE VIEW {schema}.popular_items AS
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

CREATE OR REPLACE VIEW {schema}.similar_items AS
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
        (row_number() OVER (ORDER BY listed.place))::integer AS rank,
        listed.item_id, listed.score, listed.reason, listed.because_item_id
    FROM (
        SELECT
            generate_subscripts(lists.item_ids, 1) AS place,
            unnest(lists.item_ids) AS item_id,
            unnest(lists.scores) AS score,
            unnest(lists.reasons) AS reason,
            unnest(lists.because_item_ids) AS because_item_id
    ) AS listed
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

-- Popular lists are unfolded piece by piece: the next places of each list, the best first, until there
-- are enough. The plans are made once in a session and look up an index whatever the statistics say,
-- so that neither planning nor a table that has grown since costs a reader time.
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
    SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $body$
#variable_conflict use_column
DECLARE
    asked_user ALIAS FOR $1;
    asked_n ALIAS FOR $2;
    shown bigint;
    wanted integer;
    own {storage}.user_lists;
    taken {item_id_type}[];
    wished text[];
    first_place integer;
    last_place integer;
    is_blocked boolean;
BEGIN
    IF asked_n IS NULL OR asked_n < 1 THEN
        RETURN;
    END IF;
    SELECT live.version, least(asked_n, live.max_n) INTO shown, wanted
    FROM {storage}.live WHERE live.is_only;
    SELECT lists.* INTO own
    FROM {storage}.user_lists AS lists
    WHERE lists.version = shown AND lists.user_id = asked_user;
    rank := 0;
    version := shown;
    source := 'personal';
    FOR item_id, score, reason, because_item_id, is_blocked IN
        SELECT
            entry.item_id, entry.score, entry.reason, entry.because_item_id,
            (
                SELECT true FROM {schema}.blocked_items AS blocked
                WHERE blocked.item_id = entry.item_id AND (blocked.until IS NULL OR blocked.until > now())
            )
        FROM unnest(own.item_ids, own.scores, own.reasons, own.because_item_ids)
            WITH ORDINALITY AS entry (item_id, score, reason, because_item_id, place)
        ORDER BY entry.place
    LOOP
        CONTINUE WHEN is_blocked;
        rank := rank + 1;
        RETURN NEXT;
        IF rank = wanted THEN
            RETURN;
        END IF;
    END LOOP;

    SELECT bought.item_ids INTO taken
    FROM {storage}.user_purchases AS bought
    WHERE bought.version = shown AND bought.user_id = asked_user;
    taken := coalesce(own.item_ids, '{{}}') || coalesce(taken, '{{}}');
    SELECT lists.categories INTO wished
    FROM {storage}.user_categories AS lists
    WHERE lists.version = shown AND lists.user_id = asked_user;
    because_item_id := NULL;
    FOREACH source IN ARRAY '{{popular_in_category, popular}}'::text[] LOOP
        IF source = 'popular' THEN
            wished := '{{all}}';
        END IF;
        CONTINUE WHEN wished IS NULL;
        reason := CASE source WHEN 'popular' THEN 'recently_popular' ELSE source END;
        first_place := 1;
        last_place := 1 + (wanted - 1) / cardinality(wished);
        LOOP
            FOR item_id, score, is_blocked IN
                SELECT
                    entry.item_id, entry.score,
                    (
                        SELECT true FROM {schema}.blocked_items AS blocked
                        WHERE blocked.item_id = entry.item_id
                            AND (blocked.until IS NULL OR blocked.until > now())
                    )
                FROM unnest(wished) WITH ORDINALITY AS wish (category, place)
                CROSS JOIN LATERAL (
                    SELECT
                        popular.item_ids[first_place:last_place] AS item_ids,
                        popular.scores[first_place:last_place] AS scores
                    FROM {storage}.popular_lists AS popular
                    WHERE popular.version = shown AND popular.category = wish.category
                    OFFSET 0
                ) AS piece
                CROSS JOIN LATERAL unnest(piece.item_ids, piece.scores)
                    WITH ORDINALITY AS entry (item_id, score, place)
                ORDER BY entry.place, wish.place
            LOOP
                CONTINUE WHEN is_blocked OR item_id = ANY (taken);
                rank := rank + 1;
                RETURN NEXT;
                IF rank = wanted THEN
                    RETURN;
                END IF;
                taken := taken || item_id;
            END LOOP;
            EXIT WHEN NOT FOUND;
            first_place := last_place + 1;
            last_place := 2 * last_place;
        END LOOP;
    END LOOP;
END
$body$;

COMMENT ON FUNCTION {schema}.recommend({user_id_type}, integer) IS
'n rows for anyone (10 unless told, at most the shop''s max_n) while the catalogue has them: the user''s own
list (source = personal), then the best of each category the user bought most from, the second of each, ...
(source = popular_in_category), then what is popular in the shop (source = popular). No item twice, none in
blocked_items; where bought items are left out (repeat_purchases = exclude), none that the user bought. An
unknown or null user gets the popular items; n null, 0 or negative gets no rows, and so does everyone before
the first publication. Columns: rank 1, 2, 3, ...; item_id; score, comparable within one source only, and for
popular_in_category within one category; source; reason and because_item_id as in the view recommendations;
version, the publication.';

-- First among as many as the user's own list has, which needs nothing else; then among all.
CREATE FUNCTION {schema}.explain(user_id {user_id_type}, item_id {item_id_type}) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $body$
#variable_conflict use_column
DECLARE
    asked_user ALIAS FOR $1;
    asked_item ALIAS FOR $2;
    shown {storage}.live;
    why text;
    because {item_id_type};
    named text;
    named_category text;
BEGIN
    SELECT * INTO shown FROM {storage}.live WHERE live.is_only;
    SELECT found.reason, found.because_item_id INTO why, because
    FROM (
        SELECT listed.reason, listed.because_item_id
        FROM {schema}.recommend(asked_user, (
            SELECT cardinality(lists.item_ids)
            FROM {storage}.user_lists AS lists
            WHERE lists.version = shown.version AND lists.user_id = asked_user
        )) AS listed
        WHERE listed.item_id = asked_item
        UNION ALL
        SELECT filled.reason, filled.because_item_id
        FROM {schema}.recommend(asked_user, shown.max_n) AS filled
        WHERE filled.item_id = asked_item
    ) AS found
    LIMIT 1;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF why = 'bought_again' THEN
        because := asked_item;
    END IF;
    SELECT nullif(btrim(names.name), '') INTO named
    FROM {storage}.item_names AS names
    WHERE names.version = shown.version AND names.item_id = because;
    SELECT names.category INTO named_category
    FROM {storage}.item_names AS names
    WHERE names.version = shown.version AND names.item_id = asked_item;
    RETURN coalesce(
        CASE why
            WHEN 'similar_to_purchase' THEN 'because you bought ' || coalesce(named, because::text)
            WHEN 'bought_again' THEN 'because you bought ' || coalesce(named, because::text) || ' before'
            WHEN 'popular_in_category' THEN 'popular in ' || named_category || ', where you bought'
            WHEN 'recently_popular' THEN 'popular in the shop'
        END,
        'recommended for you'
    );
END
$body$;

COMMENT ON FUNCTION {schema}.explain({user_id_type}, {item_id_type}) IS
'Why recommend() shows this item to this user, in words, e.g. because you bought BANANAS; an item without a
name is told by its id. Null when recommend() shows it to this user nowhere in its max_n rows: unknown, blocked,
bought where bought items are left out, or null. Names stand as the shop wrote them: escape them for HTML.';

REVOKE ALL ON FUNCTION {schema}.explain({user_id_type}, {item_id_type}) FROM PUBLIC;
GRANT SELECT ON {schema}.on_shelf, {schema}.also_bought TO {reader}, {operator};
GRANT EXECUTE ON FUNCTION {schema}.explain({user_id_type}, {item_id_type}) TO {reader}, {operator};
GRANT SELECT, INSERT (item_id, reason, until), UPDATE (item_id, reason, until), DELETE
    ON {schema}.blocked_items TO {operator};
