-- What apps are promised. The pointer is a scalar subquery, so that one user's list is one index
-- lookup; the arrays unfold in step because the tables hold them at one length.

SET LOCAL ROLE {owner};

COMMENT ON SCHEMA {schema} IS
'Recommendations of the live publication, read with SELECT. Made by Nightshelf.';

CREATE VIEW {schema}.recommendations AS
SELECT
    lists.user_id,
    generate_subscripts(lists.item_ids, 1) AS rank,
    unnest(lists.item_ids) AS item_id,
    unnest(lists.scores) AS score,
    unnest(lists.reasons) AS reason,
    unnest(lists.because_item_ids) AS because_item_id,
    lists.version
FROM {storage}.user_lists AS lists
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

CREATE VIEW {schema}.popular_items AS
SELECT
    lists.category,
    generate_subscripts(lists.item_ids, 1) AS rank,
    unnest(lists.item_ids) AS item_id,
    unnest(lists.scores) AS score,
    lists.version
FROM {storage}.popular_lists AS lists
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

CREATE VIEW {schema}.similar_items AS
SELECT
    lists.item_id,
    generate_subscripts(lists.similar_item_ids, 1) AS rank,
    unnest(lists.similar_item_ids) AS similar_item_id,
    unnest(lists.scores) AS score,
    lists.version
FROM {storage}.similar_lists AS lists
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

CREATE VIEW {schema}.publications AS
SELECT
    publication.version,
    publication.run_id,
    publication.status,
    publication.as_of,
    publication.published_at,
    coalesce(publication.version = (SELECT live.version FROM {storage}.live), false) AS is_live,
    publication.n_users,
    publication.n_items,
    publication.precision_at_3,
    publication.params,
    publication.decision
FROM {storage}.publication;

COMMENT ON VIEW {schema}.publications IS 'Every publication and every refusal, old ones too.';
COMMENT ON COLUMN {schema}.publications.version IS
'Number of the publication, rising; null when it was refused.';
COMMENT ON COLUMN {schema}.publications.run_id IS 'The run, and the run folder, that the lists come from.';
COMMENT ON COLUMN {schema}.publications.status IS 'published or refused.';
COMMENT ON COLUMN {schema}.publications.as_of IS
'End of the window of events the run learnt from (exclusive).';
COMMENT ON COLUMN {schema}.publications.published_at IS 'When it was published, or refused.';
COMMENT ON COLUMN {schema}.publications.is_live IS 'Whether the views show it now; one row at most.';
COMMENT ON COLUMN {schema}.publications.n_users IS 'Users with a list.';
COMMENT ON COLUMN {schema}.publications.n_items IS 'Distinct items in the users'' lists.';
COMMENT ON COLUMN {schema}.publications.precision_at_3 IS
'Share of the first three slots that was bought in the held-out days, averaged over users; null: not measured.';
COMMENT ON COLUMN {schema}.publications.params IS
'What the model was fitted with, and the search it comes from.';
COMMENT ON COLUMN {schema}.publications.decision IS
'What the gate looked at and said; forced when a person overrode it.';

-- PL/pgSQL because its plans are kept for the session; SECURITY DEFINER because it reads the arrays
-- themselves, which readers may not. All its statements see the snapshot of the calling one (STABLE).
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
AS $body$
#variable_conflict use_column
DECLARE
    asked_user ALIAS FOR $1;
    asked_n ALIAS FOR $2;
    shown bigint;
    wanted integer;
    own {storage}.user_lists;
    n_own integer;
BEGIN
    IF asked_n IS NULL OR asked_n < 1 THEN
        RETURN;
    END IF;
    SELECT live.version, least(asked_n, live.max_n) INTO shown, wanted FROM {storage}.live;
    SELECT lists.* INTO own
    FROM {storage}.user_lists AS lists
    WHERE lists.version = shown AND lists.user_id = asked_user;
    n_own := coalesce(cardinality(own.item_ids), 0);
    RETURN QUERY
    SELECT
        entry.rank::integer, entry.item_id, entry.score, 'personal',
        entry.reason, entry.because_item_id, shown
    FROM unnest(own.item_ids, own.scores, own.reasons, own.because_item_ids)
        WITH ORDINALITY AS entry (item_id, score, reason, because_item_id, rank)
    WHERE entry.rank <= wanted
    ORDER BY entry.rank;
    IF n_own < wanted THEN
        RETURN QUERY
        SELECT
            (n_own + row_number() OVER (ORDER BY entry.rank))::integer,
            entry.item_id, entry.score, 'popular', 'recently_popular', NULL::{item_id_type}, shown
        FROM {storage}.popular_lists AS lists,
            unnest(lists.item_ids, lists.scores) WITH ORDINALITY AS entry (item_id, score, rank)
        WHERE lists.version = shown AND lists.category = 'all'
            AND entry.item_id <> ALL (coalesce(own.item_ids, '{{}}'))
        ORDER BY entry.rank
        LIMIT wanted - n_own;
    END IF;
END
$body$;
REVOKE ALL ON FUNCTION {schema}.recommend({user_id_type}, integer) FROM PUBLIC;

COMMENT ON FUNCTION {schema}.recommend({user_id_type}, integer) IS
'n rows for anyone (10 unless told, at most the shop''s max_n) while the catalogue has them: the user''s own
list (source = personal), then what is popular in the shop (source = popular), no item twice. An unknown or
null user gets the popular items; n null, 0 or negative gets no rows. Columns: rank 1, 2, 3, ...; item_id;
score, comparable within one source only; source; reason and because_item_id as in the view recommendations;
version, the publication.';

GRANT USAGE ON SCHEMA {schema} TO {reader};
GRANT SELECT ON
    {schema}.recommendations, {schema}.popular_items, {schema}.similar_items, {schema}.publications
    TO {reader};
GRANT EXECUTE ON FUNCTION {schema}.recommend({user_id_type}, integer) TO {reader};
