-- Segments: groups of people without purchases, what is popular in each, and lists that are filled up with it.
--
-- Versions that are published already have no segments: their lists are filled up as before, so that every stored
-- version can be put live. recommend() and reason_in_words() are those of the versions before with one source more.
-- What recommend() looks up of a user to fill a list up is one statement: one for each table costs a reader more.

SET LOCAL ROLE {publisher};

CREATE TABLE {storage}.segment_lists (
    version bigint NOT NULL CHECK (version >= 1),
    segment integer NOT NULL CHECK (segment >= 1),
    item_ids {item_id_type}[] NOT NULL,
    scores double precision[] NOT NULL,
    PRIMARY KEY (version, segment),
    CONSTRAINT segment_lists_list_is_not_empty CHECK (cardinality(item_ids) >= 1),
    CONSTRAINT segment_lists_ranks_start_at_1 CHECK (
        (array_ndims(item_ids), array_lower(item_ids, 1)) = (1, 1)
        AND (array_ndims(scores), array_lower(scores, 1)) = (1, 1)
    ),
    CONSTRAINT segment_lists_arrays_are_of_one_length CHECK (cardinality(scores) = cardinality(item_ids)),
    CONSTRAINT segment_lists_no_item_is_null CHECK (array_position(item_ids, NULL) IS NULL),
    CONSTRAINT segment_lists_no_item_twice CHECK ({storage}.has_no_repeats(item_ids)),
    CONSTRAINT segment_lists_no_score_is_null CHECK (array_position(scores, NULL) IS NULL),
    CONSTRAINT segment_lists_scores_are_real CHECK (-1e30 < ALL (scores) AND 'Infinity' > ALL (scores))
) WITH (vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE {storage}.segment_lists ALTER item_ids SET STATISTICS 0, ALTER scores SET STATISTICS 0;
GRANT SELECT ON {storage}.segment_lists TO {owner};

CREATE TABLE {storage}.user_segments (
    version bigint NOT NULL CHECK (version >= 1),
    user_id {user_id_type} NOT NULL,
    segment integer NOT NULL CHECK (segment >= 1),
    PRIMARY KEY (version, user_id)
) WITH (vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0.05);
GRANT SELECT ON {storage}.user_segments TO {owner};

-- The same barrier as in 008_live_rows_only.sql.
CREATE POLICY live_version ON {storage}.segment_lists FOR SELECT TO {owner}
    USING (version = (SELECT live.version FROM {storage}.live));
ALTER TABLE {storage}.segment_lists ENABLE ROW LEVEL SECURITY;

CREATE POLICY live_version ON {storage}.user_segments FOR SELECT TO {owner}
    USING (version = (SELECT live.version FROM {storage}.live));
ALTER TABLE {storage}.user_segments ENABLE ROW LEVEL SECURITY;

SET LOCAL ROLE {owner};

CREATE VIEW {schema}.popular_in_segment AS
SELECT
    lists.segment,
    entry.rank,
    entry.item_id,
    entry.score,
    lists.version
FROM {storage}.segment_lists AS lists
CROSS JOIN LATERAL (
    SELECT
        generate_subscripts(lists.item_ids, 1) AS rank,
        unnest(lists.item_ids) AS item_id,
        unnest(lists.scores) AS score
) AS entry
WHERE lists.version = (SELECT live.version FROM {storage}.live);

COMMENT ON VIEW {schema}.popular_in_segment IS
'What is popular in each segment of people without purchases, of the live publication; no rows where there are none.';
COMMENT ON COLUMN {schema}.popular_in_segment.segment IS 'Number of the segment, as in user_segments.';
COMMENT ON COLUMN {schema}.popular_in_segment.rank IS
'Place in the segment: 1, 2, 3, ... without holes; 1 is the most popular.';
COMMENT ON COLUMN {schema}.popular_in_segment.item_id IS
'The shop''s own id of the item; no item twice in a segment.';
COMMENT ON COLUMN {schema}.popular_in_segment.score IS
'What the list is ordered by; comparable within one segment only.';
COMMENT ON COLUMN {schema}.popular_in_segment.version IS
'The publication that the row belongs to; the same in every row.';
GRANT SELECT ON {schema}.popular_in_segment TO {reader}, {operator};

CREATE VIEW {schema}.user_segments AS
SELECT
    lists.user_id,
    lists.segment,
    lists.version
FROM {storage}.user_segments AS lists
WHERE lists.version = (SELECT live.version FROM {storage}.live);

COMMENT ON VIEW {schema}.user_segments IS
'The segment of each user without purchases who has one, of the live publication.';
COMMENT ON COLUMN {schema}.user_segments.user_id IS 'The shop''s own id of the user; one row each.';
COMMENT ON COLUMN {schema}.user_segments.segment IS 'Number of the segment, as in popular_in_segment.';
COMMENT ON COLUMN {schema}.user_segments.version IS
'The publication that the row belongs to; the same in every row.';
GRANT SELECT ON {schema}.user_segments TO {reader}, {operator};

-- Runs inside recommend() alone, with its rights and its settings, and only for users who have a segment. The list is
-- unfolded in pieces, the best places first, until there are rows enough.
CREATE FUNCTION {schema}.fill_from_segment(
    shown bigint,
    asked_segment integer,
    n_before integer,
    wanted integer,
    taken {item_id_type}[],
    asked_category text
)
    RETURNS TABLE (item_id {item_id_type}, score double precision)
    LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
AS $body$
#variable_conflict use_column
DECLARE
    popular {storage}.segment_lists;
    n_rows integer := n_before;
    first_place integer := 1;
    last_place integer := wanted;
    is_shown boolean;
BEGIN
    SELECT lists.* INTO popular
    FROM {storage}.segment_lists AS lists
    WHERE lists.version = shown AND lists.segment = asked_segment;
    WHILE first_place <= cardinality(popular.item_ids) LOOP
        FOR item_id, score, is_shown IN
            SELECT
                entry.item_id, entry.score,
                (
                    SELECT true FROM {schema}.blocked_items AS blocked
                    WHERE blocked.item_id = entry.item_id AND (blocked.until IS NULL OR blocked.until > now())
                ) IS NULL AND (
                    asked_category IS NULL OR (
                        SELECT names.category = asked_category FROM {storage}.item_names AS names
                        WHERE names.version = shown AND names.item_id = entry.item_id
                    )
                )
            FROM unnest(popular.item_ids[first_place:last_place], popular.scores[first_place:last_place])
                WITH ORDINALITY AS entry (item_id, score, place)
            ORDER BY entry.place
        LOOP
            CONTINUE WHEN is_shown IS NOT TRUE OR item_id = ANY (taken);
            n_rows := n_rows + 1;
            RETURN NEXT;
            IF n_rows = wanted THEN
                RETURN;
            END IF;
        END LOOP;
        first_place := last_place + 1;
        last_place := 2 * last_place;
    END LOOP;
END
$body$;

COMMENT ON FUNCTION {schema}.fill_from_segment(bigint, integer, integer, integer, {item_id_type}[], text) IS
'What recommend() fills the list of a user with a segment up with; not for apps. After n_before rows, up to the row
wanted: what is popular in the segment, the best first, without the items taken and without blocked items; where
asked_category is not null, only items of this category.';
REVOKE ALL ON FUNCTION {schema}.fill_from_segment(bigint, integer, integer, integer, {item_id_type}[], text)
    FROM PUBLIC;

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
    own_segment integer;
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

    SELECT
        coalesce(own.item_ids, '{{}}') || coalesce((
            SELECT bought.item_ids FROM {storage}.user_purchases AS bought
            WHERE bought.version = shown AND bought.user_id = asked_user
        ), '{{}}'),
        (
            SELECT lists.segment FROM {storage}.user_segments AS lists
            WHERE lists.version = shown AND lists.user_id = asked_user
        ),
        (
            SELECT lists.categories FROM {storage}.user_categories AS lists
            WHERE lists.version = shown AND lists.user_id = asked_user
        )
    INTO taken, own_segment, wished;
    because_item_id := NULL;
    IF own_segment IS NOT NULL THEN
        source := 'popular_in_segment';
        reason := source;
        FOR item_id, score IN
            SELECT filled.item_id, filled.score
            FROM {schema}.fill_from_segment(shown, own_segment, rank, wanted, taken, NULL) AS filled
        LOOP
            rank := rank + 1;
            RETURN NEXT;
            IF rank = wanted THEN
                RETURN;
            END IF;
            taken := taken || item_id;
        END LOOP;
    END IF;
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
list (source = personal), then, for users without purchases who have a segment, what is popular in it
(source = popular_in_segment), then the best of each category the user bought most from, the second of each, ...
(source = popular_in_category), then what is popular in the shop (source = popular). No item twice, none in
blocked_items; where bought items are left out (repeat_purchases = exclude), none that the user bought. An
unknown or null user gets the popular items; n null, 0 or negative gets no rows, and so does everyone before
the first publication. Columns: rank 1, 2, 3, ...; item_id; score, comparable within one source only, and for
popular_in_category within one category; source; reason and because_item_id as in the view recommendations;
version, the publication.';

CREATE OR REPLACE FUNCTION {schema}.recommend(user_id {user_id_type}, n integer, category text)
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
    own_segment integer;
    taken {item_id_type}[];
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

    IF rank = wanted THEN
        RETURN;
    END IF;
    SELECT
        own.item_ids || (
            SELECT bought.item_ids FROM {storage}.user_purchases AS bought
            WHERE bought.version = shown AND bought.user_id = asked_user
        ),
        (
            SELECT lists.segment FROM {storage}.user_segments AS lists
            WHERE lists.version = shown AND lists.user_id = asked_user
        )
    INTO taken, own_segment;
    IF own_segment IS NOT NULL THEN
        source := 'popular_in_segment';
        reason := source;
        because_item_id := NULL;
        FOR item_id, score IN
            SELECT filled.item_id, filled.score
            FROM {schema}.fill_from_segment(shown, own_segment, rank, wanted, taken, asked_category) AS filled
        LOOP
            rank := rank + 1;
            RETURN NEXT;
            taken := taken || item_id;
        END LOOP;
    END IF;
    IF rank < wanted THEN
        RETURN QUERY SELECT * FROM {schema}.fill_up(
            shown, rank, wanted, taken, ARRAY[asked_category], 'popular_in_its_category', false
        );
    END IF;
END
$body$;

COMMENT ON FUNCTION {schema}.recommend({user_id_type}, integer, text) IS
'recommend(user_id, n) within one category: those items of the user''s own list that are in it (source = personal),
then those of the user''s segment that are in it (source = popular_in_segment), then what is popular in it
(source = popular_in_category, reason = popular_in_its_category), and no other. No rows for a category that the shop
does not have; null and ''all'' are the whole shop, as recommend(user_id, n).';

CREATE OR REPLACE FUNCTION {schema}.reason_in_words(
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
    told_name text;
    named_category text;
BEGIN
    SELECT items.name INTO named FROM {schema}.items WHERE items.item_id = because;
    named := coalesce(named, because::text);
    SELECT items.category, items.name INTO named_category, told_name
    FROM {schema}.items WHERE items.item_id = told_item;
    IF told_name = named AND told_item <> because THEN
        named := 'another ' || named;
    END IF;
    RETURN coalesce(
        CASE why
            WHEN 'similar_to_purchase' THEN 'because you bought ' || named
            WHEN 'bought_again' THEN 'because you bought ' || named || ' before'
            WHEN 'also_bought_with' THEN 'people who bought ' || named || ', as you did, also bought this'
            WHEN 'favourite_category' THEN 'from ' || named_category || ', where you buy often'
            WHEN 'new_in_category' THEN 'new in ' || named_category || ', where you bought'
            WHEN 'on_discount' THEN 'reduced, and you often buy reduced items'
            WHEN 'similar_to_view' THEN 'because you looked at ' || named
            WHEN 'looked_at' THEN 'because you looked at ' || named || ' before'
            WHEN 'bought_together' THEN 'often bought together with ' || named
            WHEN 'similar_to_item' THEN 'similar to ' || named
            WHEN 'popular_in_segment' THEN 'popular with people like you'
            WHEN 'popular_in_category' THEN 'popular in ' || named_category || ', where you bought'
            WHEN 'popular_in_its_category' THEN 'popular in ' || named_category
            WHEN 'recently_popular' THEN 'popular in the shop'
        END,
        'recommended for you'
    );
END
$body$;
