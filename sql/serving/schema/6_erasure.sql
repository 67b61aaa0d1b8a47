-- Users who asked to be forgotten, as keyed hashes of their ids: enough to keep them out of later nights, useless
-- without the key. No role but the publisher reads either table.
--
-- `migrate --reset-serving` carries both tables' rows over into the new schema, whichever version it finds: their
-- names and columns stay as they are.

SET LOCAL ROLE {publisher};

CREATE TABLE {storage}.forget_key (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    key bytea NOT NULL CHECK (length(key) = 32)
);
INSERT INTO {storage}.forget_key (key)
VALUES (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));

CREATE TABLE {storage}.forgotten (
    user_hash bytea PRIMARY KEY CHECK (length(user_hash) = 32),
    forgotten_at timestamptz NOT NULL DEFAULT now()
);
