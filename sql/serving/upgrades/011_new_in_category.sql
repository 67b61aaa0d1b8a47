-- The words of the reason `new_in_category`: an item that is new in the shop, of a category that the user bought from.

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
            WHEN 'new_in_category' THEN 'new in ' || named_category || ', where you bought'
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
