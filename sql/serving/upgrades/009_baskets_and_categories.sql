-- Lists for a basket, and lists within one category: recommend_from(), recommend() with a category, the view items and
-- the words of a reason.
--
-- All of it reads lists that are published already, so that every stored version can be put live as before.

SET LOCAL ROLE {publisher};

-- The view items shows this table: the same barrier as in 008_live_rows_only.sql.
CREATE POLICY live_version ON {storage}.item_names FOR SELECT TO {owner}
    USING (version = (SELECT live.version FROM {storage}.live));
ALTER TABLE {storage}.item_names ENABLE ROW LEVEL SECURITY;

SET LOCAL ROLE {owner};

CREATE VIEW {schema}.items AS
SELECT
    names.item_id,
    nullif(btrim(names.name), '') AS name,
    names.category,
    names.version
FROM {storage}.item_names AS names
WHERE names.version = (SELECT live.version FROM {storage}.live);

COMMENT ON VIEW {schema}.items IS
'What the shop calls the items that somebody bought or looked at, of the live publication; no row for an item with
neither name nor category.';
COMMENT ON COLUMN {schema}.items.item_id IS 'The shop''s own id of the item.';
COMMENT ON COLUMN {schema}.items.name IS
'As the shop wrote it, without spaces around it; null: it has none. Escape it for HTML.';
COMMENT ON COLUMN {schema}.items.category IS 'The shop''s category, as in popular_items; null: it has none.';
COMMENT ON COLUMN {schema}.items.version IS
'The publication that the row belongs to; the same in every row.';
GRANT SELECT ON {schema}.items TO {reader}, {operator};

CREATE VIEW {schema}.shop AS
SELECT
    schema_info.schema_version,
    schema_info.user_id_type,
    schema_info.item_id_type,
    live.max_n,
    live.version
FROM {storage}.schema_info
CROSS JOIN {storage}.live;

COMMENT ON VIEW {schema}.shop IS 'One row: what an app may want to know before it asks for lists.';
COMMENT ON COLUMN {schema}.shop.schema_version IS 'Version of this schema; upgrades raise it.';
COMMENT ON COLUMN {schema}.shop.user_id_type IS 'Type of the user ids: integer, text or uuid.';
COMMENT ON COLUMN {schema}.shop.item_id_type IS 'Type of the item ids: integer, text or uuid.';
COMMENT ON COLUMN {schema}.shop.max_n IS 'Most rows that recommend() and recommend_from() give.';
COMMENT ON COLUMN {schema}.shop.version IS 'The live publication; null: nothing was published yet.';
GRANT SELECT ON {schema}.shop TO {reader}, {operator};

CREATE FUNCTION {schema}.is_blocked(item_id {item_id_type}) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $body$
    SELECT EXISTS (
        SELECT FROM {schema}.blocked_items AS blocked
        WHERE blocked.item_id = $1 AND (blocked.until IS NULL OR blocked.until > now())
    )
$body$;

COMMENT ON FUNCTION {schema}.is_blocked({item_id_type}) IS
'Whether blocked_items keeps the item off the shelf now.';
REVOKE ALL ON FUNCTION {schema}.is_blocked({item_id_type}) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.is_blocked({item_id_type}) TO {reader}, {operator};

-- Runs inside the functions below alone, with their rights and their settings. It belongs to the owner and not to the
-- publisher, who would otherwise write what runs with the owner's rights. Popular lists are unfolded in pieces, the
-- best places of each list first, until there are rows enough. recommend(user_id, n) has this loop in its own body:
-- calling it here for unknown users, and for lists to fill up, cost it 15 to 25 % of its reads a second.
CREATE FUNCTION {schema}.fill_up(
    shown bigint,
    n_before integer,
    wanted integer,
    taken {item_id_type}[],
    wished text[],
    category_reason text,
    is_whole_shop boolean
)
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
AS $body$
#variable_conflict use_column
DECLARE
    first_place integer;
    last_place integer;
    is_blocked boolean;
BEGIN
    rank := n_before;
    version := shown;
    FOREACH source IN ARRAY '{{popular_in_category, popular}}'::text[] LOOP
        reason := category_reason;
        IF source = 'popular' THEN
            EXIT WHEN NOT is_whole_shop;
            wished := '{{all}}';
            reason := 'recently_popular';
        END IF;
        CONTINUE WHEN wished IS NULL;
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

COMMENT ON FUNCTION {schema}.fill_up(
    bigint, integer, integer, {item_id_type}[], text[], text, boolean
) IS
'What recommend() within a category and recommend_from() fill a list up with; not for apps. After n_before rows, up to
the row wanted and without the items taken: the best of each category wished, the second of each, ... (source =
popular_in_category, reason = category_reason), then, where is_whole_shop, what is popular in the shop
(source = popular).';
REVOKE ALL ON FUNCTION {schema}.fill_up(
    bigint, integer, integer, {item_id_type}[], text[], text, boolean
) FROM PUBLIC;

CREATE FUNCTION {schema}.recommend(user_id {user_id_type}, n integer, category text)
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
    asked_category ALIAS FOR $3;
    shown bigint;
    wanted integer;
    own {storage}.user_lists;
BEGIN
    IF asked_n IS NULL OR asked_n < 1 THEN
        RETURN;
    END IF;
    IF asked_category IS NULL OR asked_category = 'all' THEN
        RETURN QUERY SELECT * FROM {schema}.recommend(asked_user, asked_n);
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
    FOR item_id, score, reason, because_item_id IN
        SELECT entry.item_id, entry.score, entry.reason, entry.because_item_id
        FROM unnest(own.item_ids, own.scores, own.reasons, own.because_item_ids)
            WITH ORDINALITY AS entry (item_id, score, reason, because_item_id, place)
        WHERE (
            SELECT names.category = asked_category FROM {storage}.item_names AS names
            WHERE names.version = shown AND names.item_id = entry.item_id
        ) AND (
            SELECT true FROM {schema}.blocked_items AS blocked
            WHERE blocked.item_id = entry.item_id AND (blocked.until IS NULL OR blocked.until > now())
        ) IS NULL
        ORDER BY entry.place
        LIMIT wanted
    LOOP
        rank := rank + 1;
        RETURN NEXT;
    END LOOP;

    IF rank < wanted THEN
        RETURN QUERY SELECT * FROM {schema}.fill_up(
            shown, rank, wanted,
            own.item_ids || (
                SELECT bought.item_ids FROM {storage}.user_purchases AS bought
                WHERE bought.version = shown AND bought.user_id = asked_user
            ),
            ARRAY[asked_category], 'popular_in_its_category', false
        );
    END IF;
END
$body$;

COMMENT ON FUNCTION {schema}.recommend({user_id_type}, integer, text) IS
'recommend(user_id, n) within one category: those items of the user''s own list that are in it (source = personal),
then what is popular in it (source = popular_in_category, reason = popular_in_its_category), and no other. No rows for
a category that the shop does not have; null and ''all'' are the whole shop, as recommend(user_id, n).';
REVOKE ALL ON FUNCTION {schema}.recommend({user_id_type}, integer, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.recommend({user_id_type}, integer, text) TO {reader}, {operator};

-- A given item's list is looked up in a scalar subquery, which is one index lookup; no item is twice in a list, so that
-- an item's entries are as many as the given items that name it. `nearest` is the entry that explains an item: its rank
-- and the place of the given item (arrays are compared from the left). What is not shown from also_bought, because it
-- is given or blocked, is not shown from similar_items either.
CREATE FUNCTION {schema}.recommend_from(item_ids {item_id_type}[], n integer DEFAULT 10)
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
    asked_items ALIAS FOR $1;
    asked_n ALIAS FOR $2;
    most_items CONSTANT integer := 100;
    shown bigint;
    wanted integer;
    given {item_id_type}[];
    taken {item_id_type}[];
    wished text[];
    is_blocked boolean;
BEGIN
    IF cardinality(asked_items) > most_items THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'recommend_from takes at most ' || most_items || ' items, not ' || cardinality(asked_items);
    END IF;
    IF asked_n IS NULL OR asked_n < 1 THEN
        RETURN;
    END IF;
    SELECT live.version, least(asked_n, live.max_n) INTO shown, wanted
    FROM {storage}.live WHERE live.is_only;
    SELECT array_agg(basket.item_id ORDER BY basket.place) INTO given
    FROM (
        SELECT asked.item_id, min(asked.place) AS place
        FROM unnest(asked_items) WITH ORDINALITY AS asked (item_id, place)
        WHERE asked.item_id IS NOT NULL
        GROUP BY asked.item_id
    ) AS basket;
    taken := coalesce(given, '{{}}');
    rank := 0;
    version := shown;
    source := 'session';
    FOREACH reason IN ARRAY '{{bought_together, similar_to_item}}'::text[] LOOP
        FOR item_id, score, because_item_id, is_blocked IN
            SELECT
                best.item_id,
                best.n_given + 1 / (1 + best.sum_of_ranks)::double precision,
                given[best.nearest[2]],
                (
                    SELECT true FROM {schema}.blocked_items AS blocked
                    WHERE blocked.item_id = best.item_id AND (blocked.until IS NULL OR blocked.until > now())
                )
            FROM (
                SELECT
                    entry.item_id,
                    count(*) AS n_given,
                    sum(entry.rank) AS sum_of_ranks,
                    min(ARRAY[entry.rank, basket.place]) AS nearest
                FROM unnest(given) WITH ORDINALITY AS basket (item_id, place)
                CROSS JOIN LATERAL unnest(
                    CASE reason
                        WHEN 'bought_together' THEN (
                            SELECT lists.also_bought_item_ids FROM {storage}.also_bought_lists AS lists
                            WHERE lists.version = shown AND lists.item_id = basket.item_id
                        )
                        ELSE (
                            SELECT lists.similar_item_ids FROM {storage}.similar_lists AS lists
                            WHERE lists.version = shown AND lists.item_id = basket.item_id
                        )
                    END
                ) WITH ORDINALITY AS entry (item_id, rank)
                WHERE entry.item_id <> ALL (taken)
                GROUP BY entry.item_id
                ORDER BY count(*) DESC, sum(entry.rank), entry.item_id {in_byte_order}
                OFFSET 0
            ) AS best
        LOOP
            CONTINUE WHEN is_blocked;
            rank := rank + 1;
            RETURN NEXT;
            IF rank = wanted THEN
                RETURN;
            END IF;
            taken := taken || item_id;
        END LOOP;
    END LOOP;

    SELECT array_agg(counted.category ORDER BY counted.n_given DESC, counted.first_place) INTO wished
    FROM (
        SELECT basket.category, count(*) AS n_given, min(basket.place) AS first_place
        FROM (
            SELECT
                asked.place,
                (
                    SELECT names.category FROM {storage}.item_names AS names
                    WHERE names.version = shown AND names.item_id = asked.item_id
                ) AS category
            FROM unnest(given) WITH ORDINALITY AS asked (item_id, place)
        ) AS basket
        WHERE basket.category IS NOT NULL
        GROUP BY basket.category
    ) AS counted;
    RETURN QUERY SELECT * FROM {schema}.fill_up(
        shown, rank, wanted, taken, wished, 'popular_in_its_category', true
    );
END
$body$;

COMMENT ON FUNCTION {schema}.recommend_from({item_id_type}[], integer) IS
'n rows (10 unless told, at most the shop''s max_n) that go with the items of a basket or a session, for visitors
without an account: what the given items'' lists in also_bought name, what most of them agree on first, then the same of
similar_items (source = session), then the best of each category of the given items, the second of each, ...
(source = popular_in_category), then what is popular in the shop (source = popular). No item twice, none of the given
ones, none in blocked_items. More than 100 given items are an error (SQLSTATE 22023); null, unknown and repeated ones
are ignored, and without a known one all rows are popular. n null, 0 or negative gets no rows, and so does everyone
before the first publication. Columns: rank 1, 2, 3, ...; item_id; score, comparable within one source and reason only:
for session its whole part is how many of the given items name the item; source; reason (bought_together,
similar_to_item, popular_in_its_category, recently_popular) and because_item_id, the given item that names it best;
version, the publication.';
REVOKE ALL ON FUNCTION {schema}.recommend_from({item_id_type}[], integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.recommend_from({item_id_type}[], integer) TO {reader}, {operator};

CREATE FUNCTION {schema}.reason_in_words(
    item_id {item_id_type}, reason text, because_item_id {item_id_type}
) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $body$
#variable_conflict use_column
DECLARE
    told_item ALIAS FOR $1;
    why ALIAS FOR $2;
    because {item_id_type} := CASE WHEN $2 IN ('bought_again', 'looked_at') THEN $1 ELSE $3 END;
    named text;
    named_category text;
BEGIN
    SELECT items.name INTO named FROM {schema}.items WHERE items.item_id = because;
    named := coalesce(named, because::text);
    SELECT items.category INTO named_category FROM {schema}.items WHERE items.item_id = told_item;
    RETURN coalesce(
        CASE why
            WHEN 'similar_to_purchase' THEN 'because you bought ' || named
            WHEN 'bought_again' THEN 'because you bought ' || named || ' before'
            WHEN 'similar_to_view' THEN 'because you looked at ' || named
            WHEN 'looked_at' THEN 'because you looked at ' || named || ' before'
            WHEN 'bought_together' THEN 'often bought together with ' || named
            WHEN 'similar_to_item' THEN 'similar to ' || named
            WHEN 'popular_in_category' THEN 'popular in ' || named_category || ', where you bought'
            WHEN 'popular_in_its_category' THEN 'popular in ' || named_category
            WHEN 'recently_popular' THEN 'popular in the shop'
        END,
        'recommended for you'
    );
END
$body$;

COMMENT ON FUNCTION {schema}.reason_in_words({item_id_type}, text, {item_id_type}) IS
'The words of a reason for a row that was read already, as explain() has them: item_id, reason and because_item_id of
recommend(), recommend_from(), recommendations or on_shelf. Never null; a reason without words of its own is
recommended for you. Names stand as the shop wrote them: escape them for HTML.';
REVOKE ALL ON FUNCTION {schema}.reason_in_words({item_id_type}, text, {item_id_type}) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.reason_in_words({item_id_type}, text, {item_id_type}) TO {reader}, {operator};

-- Asks recommend() twice: first for as many rows as the user's own list has, which needs that list alone, then
-- for all max_n rows.
CREATE OR REPLACE FUNCTION {schema}.explain(user_id {user_id_type}, item_id {item_id_type}) RETURNS text
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
    RETURN {schema}.reason_in_words(asked_item, why, because);
END
$body$;

COMMENT ON TABLE {schema}.blocked_items IS
'Items kept off the shelf from now on, whatever is published: recommend(), recommend_from() and on_shelf leave them
out.';
