-- explain() knows the reasons of browsers' lists; what recommend() promises is told more exactly.

SET LOCAL ROLE {owner};

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
    IF why IN ('bought_again', 'looked_at') THEN
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
            WHEN 'similar_to_view' THEN 'because you looked at ' || coalesce(named, because::text)
            WHEN 'looked_at' THEN 'because you looked at ' || coalesce(named, because::text) || ' before'
            WHEN 'popular_in_category' THEN 'popular in ' || named_category || ', where you bought'
            WHEN 'recently_popular' THEN 'popular in the shop'
        END,
        'recommended for you'
    );
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
