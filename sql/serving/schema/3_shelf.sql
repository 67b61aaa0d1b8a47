-- What is decided when an app reads: items that are blocked, and how a short list is filled up to n rows.

SET LOCAL ROLE {publisher};

-- What recommend() must not fill a user's list up with: of the items that the user bought, those that are in a
-- popular list. No other item can be met there.
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
ALTER TABLE {storage}.user_purchases ALTER item_ids SET STATISTICS 0;
GRANT SELECT ON {storage}.user_purchases TO {owner};

-- The categories that the user bought most from, the first one first.
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
ALTER TABLE {storage}.user_categories ALTER categories SET STATISTICS 0;
GRANT SELECT ON {storage}.user_categories TO {owner};

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
GRANT SELECT, INSERT (item_id, reason, until), UPDATE (item_id, reason, until), DELETE
    ON {schema}.blocked_items TO {operator};

-- The scalar subquery on blocked_items is one lookup for each item whatever the statistics say; NOT EXISTS may
-- become a join that reads the whole table.
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
GRANT SELECT ON {schema}.on_shelf TO {reader}, {operator};

-- SECURITY DEFINER because readers have no right to the arrays; STABLE, so that all its statements see the
-- snapshot of the statement that calls it. Popular lists are unfolded in pieces, the best places of each list
-- first, until there are rows enough. PL/pgSQL keeps its plans for the session, and the two settings make each
-- plan an index lookup whatever the statistics say: a reader never pays for planning, nor for a table that has
-- grown since.
CREATE FUNCTION {schema}.recommend(user_id {user_id_type}, n integer DEFAULT 10)
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
'n rows for anyone (10 unless told, at most the shop''s max_n) while its lists have them: the user''s own
list (source = personal), then the best of each category the user bought most from, the second of each, ...
(source = popular_in_category), then what is popular in the shop (source = popular). No item twice, none in
blocked_items; where bought items are left out (repeat_purchases = exclude), none that the user bought. An
unknown or null user gets the popular items; n null, 0 or negative gets no rows, and so does everyone before
the first publication. Columns: rank 1, 2, 3, ...; item_id; score, comparable within one source only, and for
popular_in_category within one category; source; reason and because_item_id as in the view recommendations;
version, the publication.';
REVOKE ALL ON FUNCTION {schema}.recommend({user_id_type}, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.recommend({user_id_type}, integer) TO {reader}, {operator};
