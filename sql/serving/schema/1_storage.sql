-- What all other files build on: the version of this schema, the record of every publication, the pointer
-- `live` to the publication that apps see, and the attempts to load one.
--
-- There are two schemas. Apps read the one that belongs to the owner. The storage schema lies under it and belongs
-- to the publisher: the owner may read it, because views read with their owner's rights, and no other role can.

SET LOCAL ROLE {publisher};

GRANT USAGE ON SCHEMA {storage} TO {owner};

CREATE TABLE {storage}.schema_info (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    schema_version integer NOT NULL CHECK (schema_version >= 1),
    user_id_type text NOT NULL CHECK (user_id_type IN ('integer', 'text', 'uuid')),
    item_id_type text NOT NULL CHECK (item_id_type IN ('integer', 'text', 'uuid')),
    migrated_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT ON {storage}.schema_info TO {owner};

CREATE SEQUENCE {storage}.version_number;

-- One row for each publication, and for each run that the gate refused. A version without lists is dropped;
-- one that was published during a hold is held back.
CREATE TABLE {storage}.publication (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version bigint UNIQUE CHECK (version >= 1),
    run_id text NOT NULL CHECK (run_id <> ''),
    status text NOT NULL CHECK (status IN ('published', 'refused')),
    as_of timestamptz NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now(),
    n_users bigint NOT NULL CHECK (n_users >= 0),
    n_items bigint NOT NULL CHECK (n_items >= 0),
    n_recommendations bigint NOT NULL CHECK (n_recommendations >= 0),
    precision_at_3 double precision CHECK (precision_at_3 BETWEEN 0 AND 1),
    repeat_purchases text NOT NULL CHECK (repeat_purchases IN ('exclude', 'allow')),
    lists_sha256 text NOT NULL,
    params jsonb NOT NULL,
    decision jsonb NOT NULL,
    dropped_at timestamptz,
    is_held_back boolean NOT NULL DEFAULT false,
    CONSTRAINT publication_refusal_has_no_version CHECK ((status = 'published') = (version IS NOT NULL)),
    CONSTRAINT publication_once UNIQUE (run_id, lists_sha256, status)
);
GRANT SELECT ON {storage}.publication TO {owner};

-- The pointer: one row, the version that the views show. While held_at is set, later versions do not go live.
CREATE TABLE {storage}.live (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    version bigint REFERENCES {storage}.publication (version),
    max_n integer NOT NULL CHECK (max_n >= 1),
    held_at timestamptz,
    held_by text,
    CONSTRAINT live_hold_has_a_holder CHECK ((held_at IS NULL) = (held_by IS NULL))
);
INSERT INTO {storage}.live (max_n) VALUES (1);
GRANT SELECT ON {storage}.live TO {owner};

-- A publisher's note that it has begun to load a version; rows found later are of one that died.
CREATE TABLE {storage}.attempt (
    version bigint PRIMARY KEY,
    run_id text NOT NULL,
    pid integer NOT NULL DEFAULT pg_backend_pid(),
    started_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT ON {storage}.attempt TO {owner};

SET LOCAL ROLE {owner};

COMMENT ON SCHEMA {schema} IS
'Recommendations of the live publication, read with SELECT. Made by Nightshelf.';
GRANT USAGE ON SCHEMA {schema} TO {reader}, {operator};

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
    publication.decision,
    publication.version IS NOT NULL AND publication.dropped_at IS NULL AS is_stored,
    publication.is_held_back
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
COMMENT ON COLUMN {schema}.publications.is_stored IS
'Whether its lists are still kept, so that rollback can put it live; false for refusals.';
COMMENT ON COLUMN {schema}.publications.is_held_back IS
'Published while a hold was on: stored, not live until release().';
GRANT SELECT ON {schema}.publications TO {reader}, {operator};
