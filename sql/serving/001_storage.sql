-- What the publisher owns: every list under the version it belongs to, the record of publications,
-- and the one-row pointer that says which version the views show. A list is one row, its ranks are
-- the subscripts of its arrays, so a rank below 1, a hole or a doubled rank cannot be stored.
-- Old versions go by DELETE, never by DROP: nobody waits, and a reader's snapshot stays whole.

SET LOCAL ROLE {publisher};

CREATE TABLE {storage}.schema_info (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    schema_version integer NOT NULL CHECK (schema_version >= 1),
    user_id_type text NOT NULL CHECK (user_id_type IN ('integer', 'text', 'uuid')),
    item_id_type text NOT NULL CHECK (item_id_type IN ('integer', 'text', 'uuid')),
    migrated_at timestamptz NOT NULL DEFAULT now()
);

CREATE SEQUENCE {storage}.version_number;

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
    CONSTRAINT publication_refusal_has_no_version CHECK ((status = 'published') = (version IS NOT NULL)),
    CONSTRAINT publication_once UNIQUE (run_id, lists_sha256, status)
);

CREATE TABLE {storage}.live (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    version bigint REFERENCES {storage}.publication (version),
    max_n integer NOT NULL CHECK (max_n >= 1)
);
INSERT INTO {storage}.live (max_n) VALUES (1);

CREATE TABLE {storage}.attempt (
    version bigint PRIMARY KEY,
    run_id text NOT NULL,
    pid integer NOT NULL DEFAULT pg_backend_pid(),
    started_at timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION {storage}.has_no_repeats(ids anyarray) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $body$ SELECT count(DISTINCT id) = cardinality(ids) FROM unnest(ids) AS id $body$;
REVOKE ALL ON FUNCTION {storage}.has_no_repeats(anyarray) FROM PUBLIC;

CREATE TABLE {storage}.user_lists (
    version bigint NOT NULL,
    user_id {user_id_type} NOT NULL,
    item_ids {item_id_type}[] NOT NULL,
    scores double precision[] NOT NULL,
    reasons text[] NOT NULL,
    because_item_ids {item_id_type}[] NOT NULL,
    PRIMARY KEY (version, user_id),
    CONSTRAINT user_lists_version_is_positive CHECK (version >= 1),
    CONSTRAINT user_lists_list_is_not_empty CHECK (cardinality(item_ids) >= 1),
    CONSTRAINT user_lists_ranks_start_at_1 CHECK (
        (array_ndims(item_ids), array_lower(item_ids, 1)) = (1, 1)
        AND (array_ndims(scores), array_lower(scores, 1)) = (1, 1)
        AND (array_ndims(reasons), array_lower(reasons, 1)) = (1, 1)
        AND (array_ndims(because_item_ids), array_lower(because_item_ids, 1)) = (1, 1)
    ),
    CONSTRAINT user_lists_arrays_are_of_one_length CHECK (
        cardinality(scores) = cardinality(item_ids)
        AND cardinality(reasons) = cardinality(item_ids)
        AND cardinality(because_item_ids) = cardinality(item_ids)
    ),
    CONSTRAINT user_lists_no_item_is_null CHECK (array_position(item_ids, NULL) IS NULL),
    CONSTRAINT user_lists_no_item_twice CHECK ({storage}.has_no_repeats(item_ids)),
    CONSTRAINT user_lists_no_score_is_null CHECK (array_position(scores, NULL) IS NULL),
    CONSTRAINT user_lists_scores_are_real CHECK (-1e30 < ALL (scores) AND 'Infinity' > ALL (scores))
) WITH (vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE {storage}.popular_lists (
    version bigint NOT NULL,
    category text NOT NULL,
    item_ids {item_id_type}[] NOT NULL,
    scores double precision[] NOT NULL,
    PRIMARY KEY (version, category),
    CONSTRAINT popular_lists_version_is_positive CHECK (version >= 1),
    CONSTRAINT popular_lists_list_is_not_empty CHECK (cardinality(item_ids) >= 1),
    CONSTRAINT popular_lists_ranks_start_at_1 CHECK (
        (array_ndims(item_ids), array_lower(item_ids, 1)) = (1, 1)
        AND (array_ndims(scores), array_lower(scores, 1)) = (1, 1)
    ),
    CONSTRAINT popular_lists_arrays_are_of_one_length CHECK (cardinality(scores) = cardinality(item_ids)),
    CONSTRAINT popular_lists_no_item_is_null CHECK (array_position(item_ids, NULL) IS NULL),
    CONSTRAINT popular_lists_no_item_twice CHECK ({storage}.has_no_repeats(item_ids)),
    CONSTRAINT popular_lists_no_score_is_null CHECK (array_position(scores, NULL) IS NULL),
    CONSTRAINT popular_lists_scores_are_real CHECK (-1e30 < ALL (scores) AND 'Infinity' > ALL (scores))
) WITH (vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE {storage}.similar_lists (
    version bigint NOT NULL,
    item_id {item_id_type} NOT NULL,
    similar_item_ids {item_id_type}[] NOT NULL,
    scores double precision[] NOT NULL,
    PRIMARY KEY (version, item_id),
    CONSTRAINT similar_lists_version_is_positive CHECK (version >= 1),
    CONSTRAINT similar_lists_list_is_not_empty CHECK (cardinality(similar_item_ids) >= 1),
    CONSTRAINT similar_lists_ranks_start_at_1 CHECK (
        (array_ndims(similar_item_ids), array_lower(similar_item_ids, 1)) = (1, 1)
        AND (array_ndims(scores), array_lower(scores, 1)) = (1, 1)
    ),
    CONSTRAINT similar_lists_arrays_are_of_one_length
        CHECK (cardinality(scores) = cardinality(similar_item_ids)),
    CONSTRAINT similar_lists_no_item_is_null CHECK (array_position(similar_item_ids, NULL) IS NULL),
    CONSTRAINT similar_lists_no_item_twice CHECK ({storage}.has_no_repeats(similar_item_ids)),
    CONSTRAINT similar_lists_no_item_is_its_own CHECK (item_id <> ALL (similar_item_ids)),
    CONSTRAINT similar_lists_no_score_is_null CHECK (array_position(scores, NULL) IS NULL),
    CONSTRAINT similar_lists_scores_are_real CHECK (-1e30 < ALL (scores) AND 'Infinity' > ALL (scores))
) WITH (vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0.05);

-- Statistics of arrays take long to gather and help no query here.
ALTER TABLE {storage}.user_lists
    ALTER item_ids SET STATISTICS 0, ALTER scores SET STATISTICS 0,
    ALTER reasons SET STATISTICS 0, ALTER because_item_ids SET STATISTICS 0;
ALTER TABLE {storage}.popular_lists ALTER item_ids SET STATISTICS 0, ALTER scores SET STATISTICS 0;
ALTER TABLE {storage}.similar_lists ALTER similar_item_ids SET STATISTICS 0, ALTER scores SET STATISTICS 0;

-- The views read as the owner; nobody else sees the storage.
GRANT USAGE ON SCHEMA {storage} TO {owner};
GRANT SELECT ON ALL TABLES IN SCHEMA {storage} TO {owner};
