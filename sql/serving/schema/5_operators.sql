-- Which publication is live: every move of the pointer, rollback() and release().
--
-- What moves the pointer is in the storage schema and belongs to the publisher, which alone may write there.
-- Operators call the functions of the same names in the schema that apps read.

SET LOCAL ROLE {publisher};

-- Every change of the pointer or of the hold.
CREATE TABLE {storage}.move (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    moved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    moved_by text NOT NULL,
    cause text NOT NULL CHECK (cause IN ('publish', 'rollback', 'hold', 'release')),
    from_version bigint REFERENCES {storage}.publication (version),
    to_version bigint REFERENCES {storage}.publication (version),
    is_held boolean NOT NULL
);
CREATE INDEX move_to_version ON {storage}.move (to_version, number);
GRANT SELECT ON {storage}.move TO {owner};

-- The only place that moves the pointer. The caller has locked the pointer's row.
CREATE FUNCTION {storage}.put_live(to_version bigint, cause text, asked_by text) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $body$
BEGIN
    INSERT INTO {storage}.move (moved_by, cause, from_version, to_version, is_held)
    SELECT
        coalesce(put_live.asked_by || ' as ', '') || session_user, put_live.cause,
        live.version, put_live.to_version, live.held_at IS NOT NULL
    FROM {storage}.live;
    UPDATE {storage}.live SET version = put_live.to_version
    WHERE live.version IS DISTINCT FROM put_live.to_version;
    UPDATE {storage}.publication SET is_held_back = false
    WHERE publication.version = put_live.to_version AND publication.is_held_back;
END
$body$;
REVOKE ALL ON FUNCTION {storage}.put_live(bigint, text, text) FROM PUBLIC;

CREATE FUNCTION {storage}.rollback(to_version bigint, hold boolean, asked_by text)
    RETURNS TABLE (from_version bigint, live_version bigint, is_held boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '5s'
AS $body$
DECLARE
    shown {storage}.live;
    target bigint := rollback.to_version;
    stored text;
BEGIN
    SELECT * INTO shown FROM {storage}.live FOR UPDATE;
    IF target IS NULL THEN
        SELECT move.from_version INTO target
        FROM {storage}.move
        WHERE move.to_version = shown.version AND move.from_version <> move.to_version
        ORDER BY move.number DESC
        LIMIT 1;
    END IF;
    IF target IS NULL OR NOT EXISTS (
        SELECT FROM {storage}.publication
        WHERE publication.version = target AND publication.dropped_at IS NULL
    ) THEN
        SELECT string_agg(publication.version::text, ', ' ORDER BY publication.version) INTO stored
        FROM {storage}.publication
        WHERE publication.version IS NOT NULL AND publication.dropped_at IS NULL;
        RAISE EXCEPTION USING
            ERRCODE = 'NS001',
            MESSAGE = coalesce(
                'version ' || target || ' cannot be put back', 'no publication was live before this one'
            ),
            DETAIL = 'stored versions: ' || coalesce(stored, 'none')
                || '; live: ' || coalesce(shown.version::text, 'none'),
            HINT = 'choose a stored version';
    END IF;
    IF hold AND shown.held_at IS NULL THEN
        UPDATE {storage}.live
        SET held_at = now(), held_by = coalesce(rollback.asked_by || ' as ', '') || session_user;
    END IF;
    IF target <> shown.version OR hold THEN
        PERFORM {storage}.put_live(
            target, CASE WHEN target = shown.version THEN 'hold' ELSE 'rollback' END, rollback.asked_by
        );
    END IF;
    RETURN QUERY SELECT shown.version, live.version, live.held_at IS NOT NULL FROM {storage}.live;
END
$body$;
REVOKE ALL ON FUNCTION {storage}.rollback(bigint, boolean, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {storage}.rollback(bigint, boolean, text) TO {owner};

CREATE FUNCTION {storage}.release(asked_by text)
    RETURNS TABLE (from_version bigint, live_version bigint, was_held boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '5s'
AS $body$
DECLARE
    shown {storage}.live;
    target bigint;
BEGIN
    SELECT * INTO shown FROM {storage}.live FOR UPDATE;
    IF shown.held_at IS NOT NULL THEN
        SELECT newer.version INTO target
        FROM {storage}.publication AS newer
        WHERE newer.is_held_back AND newer.dropped_at IS NULL
            AND newer.as_of >= (
                SELECT publication.as_of FROM {storage}.publication WHERE publication.version = shown.version
            )
        ORDER BY newer.as_of DESC, newer.version DESC
        LIMIT 1;
        UPDATE {storage}.live SET held_at = NULL, held_by = NULL;
        UPDATE {storage}.publication SET is_held_back = false WHERE publication.is_held_back;
        PERFORM {storage}.put_live(coalesce(target, shown.version), 'release', release.asked_by);
    END IF;
    RETURN QUERY SELECT shown.version, live.version, shown.held_at IS NOT NULL FROM {storage}.live;
END
$body$;
REVOKE ALL ON FUNCTION {storage}.release(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {storage}.release(text) TO {owner};

SET LOCAL ROLE {owner};

CREATE VIEW {schema}.live_history AS
SELECT
    move.number,
    move.moved_at,
    move.moved_by,
    move.cause,
    move.from_version,
    move.to_version,
    move.is_held
FROM {storage}.move;

COMMENT ON VIEW {schema}.live_history IS
'Every change of the live version: publications, rollbacks, holds and releases; the last row is what holds now.';
COMMENT ON COLUMN {schema}.live_history.number IS 'Order of the changes, rising.';
COMMENT ON COLUMN {schema}.live_history.moved_at IS 'When.';
COMMENT ON COLUMN {schema}.live_history.moved_by IS 'Who: the login, before it the person where that is known.';
COMMENT ON COLUMN {schema}.live_history.cause IS 'publish, rollback, hold or release.';
COMMENT ON COLUMN {schema}.live_history.from_version IS 'Live before; null: nothing was.';
COMMENT ON COLUMN {schema}.live_history.to_version IS 'Live afterwards; the same as before when only a hold changed.';
COMMENT ON COLUMN {schema}.live_history.is_held IS 'Whether later nights are stored without going live.';
GRANT SELECT ON {schema}.live_history TO {reader}, {operator};

CREATE FUNCTION {schema}.rollback(to_version bigint DEFAULT NULL, hold boolean DEFAULT false)
    RETURNS TABLE (from_version bigint, live_version bigint, is_held boolean)
    LANGUAGE sql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $body$ SELECT * FROM {storage}.rollback($1, $2, NULL) $body$;

COMMENT ON FUNCTION {schema}.rollback(bigint, boolean) IS
'Put the publication to_version live again; without one, the publication that was live before this one, so that
twice undoes itself. hold => true keeps later nights stored but not live until release(). Takes milliseconds, is
recorded in live_history, and changes nothing that is stored.';
REVOKE ALL ON FUNCTION {schema}.rollback(bigint, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.rollback(bigint, boolean) TO {operator};

CREATE FUNCTION {schema}.release()
    RETURNS TABLE (from_version bigint, live_version bigint, was_held boolean)
    LANGUAGE sql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $body$ SELECT * FROM {storage}.release(NULL) $body$;

COMMENT ON FUNCTION {schema}.release() IS
'End a hold: the newest publication that it held back goes live, and later nights do again.';
REVOKE ALL ON FUNCTION {schema}.release() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.release() TO {operator};
