-- Why an item is recommended, in words.

SET LOCAL ROLE {publisher};

-- What the shop calls its items; explain() shows it.
CREATE TABLE {storage}.item_names (
    version bigint NOT NULL CHECK (version >= 1),
    item_id {item_id_type} NOT NULL,
    name text,
    category text,
    PRIMARY KEY (version, item_id)
) WITH (vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0.05);
GRANT SELECT ON {storage}.item_names TO {owner};

SET LOCAL ROLE {owner};

-- Asks recommend() twice: first for as many rows as the user's own list has, which needs that list alone, then
-- for all max_n rows.
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

COMMENT ON FUNCTION {schema}.explain({user_id_type}, {item_id_type}) IS
'Why recommend() shows this item to this user, in words, e.g. because you bought BANANAS; an item without a
name is told by its id. Null when recommend() shows it to this user nowhere in its max_n rows: unknown, blocked,
bought where bought items are left out, or null. Names stand as the shop wrote them: escape them for HTML.';
REVOKE ALL ON FUNCTION {schema}.explain({user_id_type}, {item_id_type}) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.explain({user_id_type}, {item_id_type}) TO {reader}, {operator};
