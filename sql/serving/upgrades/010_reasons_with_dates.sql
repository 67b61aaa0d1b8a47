-- Reasons that are told with a date, a number of days or a percentage: where they are stored, and their words.
--
-- Lists that are published already have no such details and are told as before, so that every stored version can be
-- put live. Details stand in the row of the list: who is forgotten, and what is too old, goes with all of it.

SET LOCAL ROLE {publisher};

-- null: no item of the list has one, and none of the lists that are there: they need no check, and readers no wait.
ALTER TABLE {storage}.user_lists
    ADD COLUMN last_bought_on date[],
    ADD COLUMN gap_days integer[],
    ADD COLUMN percent_off integer[],
    ADD CONSTRAINT user_lists_details_are_of_one_length CHECK (
        coalesce(cardinality(last_bought_on), cardinality(item_ids)) = cardinality(item_ids)
        AND coalesce(cardinality(gap_days), cardinality(item_ids)) = cardinality(item_ids)
        AND coalesce(cardinality(percent_off), cardinality(item_ids)) = cardinality(item_ids)
    ) NOT VALID,
    ADD CONSTRAINT user_lists_details_start_at_1 CHECK (
        (array_ndims(last_bought_on) = 1 AND array_lower(last_bought_on, 1) = 1) IS NOT FALSE
        AND (array_ndims(gap_days) = 1 AND array_lower(gap_days, 1) = 1) IS NOT FALSE
        AND (array_ndims(percent_off) = 1 AND array_lower(percent_off, 1) = 1) IS NOT FALSE
    ) NOT VALID,
    ADD CONSTRAINT user_lists_gaps_are_days CHECK (1 <= ALL (gap_days)) NOT VALID,
    ADD CONSTRAINT user_lists_reductions_are_percentages CHECK (
        1 <= ALL (percent_off) AND 100 >= ALL (percent_off)
    ) NOT VALID,
    ALTER last_bought_on SET STATISTICS 0, ALTER gap_days SET STATISTICS 0, ALTER percent_off SET STATISTICS 0;

SET LOCAL ROLE {owner};

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
            WHEN 'on_discount' THEN 'reduced, and you often buy reduced items'
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

-- Details are those of the list that is live. A row that comes from no list of the user's own has none, and neither has
-- one whose reason that list does not give.
CREATE FUNCTION {schema}.reason_in_words(
    user_id {user_id_type}, item_id {item_id_type}, reason text, because_item_id {item_id_type}
) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $body$
#variable_conflict use_column
DECLARE
    asked_user ALIAS FOR $1;
    told_item ALIAS FOR $2;
    why ALIAS FOR $3;
    bought_on date;
    days integer;
    off integer;
    words text;
BEGIN
    IF why IN ('bought_again', 'on_discount') THEN
        SELECT
            lists.last_bought_on[own.place], lists.gap_days[own.place], lists.percent_off[own.place]
        INTO bought_on, days, off
        FROM {storage}.user_lists AS lists
        CROSS JOIN LATERAL (SELECT array_position(lists.item_ids, told_item) AS place) AS own
        WHERE lists.version = (SELECT live.version FROM {storage}.live)
            AND lists.user_id = asked_user AND lists.reasons[own.place] = why;
    END IF;
    IF why = 'bought_again' THEN
        words := 'last bought on ' || to_char(
            bought_on, CASE WHEN bought_on > current_date - 300 THEN 'FMDD FMMonth' ELSE 'FMDD FMMonth YYYY' END
        );
        words := coalesce(
            'you buy it ' || CASE days WHEN 1 THEN 'every day' ELSE 'every ' || days || ' days' END || '; ' || words,
            words
        );
    ELSIF why = 'on_discount' THEN
        words := off || ' % off, and you often buy reduced items';
    END IF;
    RETURN coalesce(words, {schema}.reason_in_words(told_item, why, $4));
END
$body$;

COMMENT ON FUNCTION {schema}.reason_in_words({user_id_type}, {item_id_type}, text, {item_id_type}) IS
'The words of a reason for a row of the user''s that was read already, as explain() has them: with the day of the last
purchase, the usual days between two, or the percentage, where the user''s list has them. user_id; then item_id, reason
and because_item_id of recommend(), recommendations or on_shelf. Never null. Names stand as the shop wrote them: escape
them for HTML.';
REVOKE ALL ON FUNCTION {schema}.reason_in_words({user_id_type}, {item_id_type}, text, {item_id_type}) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.reason_in_words({user_id_type}, {item_id_type}, text, {item_id_type})
    TO {reader}, {operator};

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
    RETURN {schema}.reason_in_words(asked_user, asked_item, why, because);
END
$body$;

COMMENT ON FUNCTION {schema}.explain({user_id_type}, {item_id_type}) IS
'Why recommend() shows this item to this user, in words, e.g. people who bought BANANAS, as you did, also bought this; an
item without a name is told by its id. Null when recommend() shows it to this user nowhere in its max_n rows: unknown,
blocked, bought where bought items are left out, or null. Names stand as the shop wrote them: escape them for HTML.';

COMMENT ON FUNCTION {schema}.reason_in_words({item_id_type}, text, {item_id_type}) IS
'The words of a reason without what is known of one user: item_id, reason and because_item_id of recommend(),
recommend_from(), recommendations or on_shelf. Never null; a reason without words of its own is recommended for you.
Names stand as the shop wrote them: escape them for HTML.';

COMMENT ON COLUMN {schema}.recommendations.reason IS
'Why the item is there, e.g. also_bought_with, bought_again; may be null.';
COMMENT ON COLUMN {schema}.on_shelf.reason IS
'Why the item is there, e.g. also_bought_with, bought_again; may be null.';
