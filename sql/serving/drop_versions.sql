-- From now on nothing can go back to these versions: the pointer's row is written, so that a rollback with an
-- older snapshot fails instead of trusting it. A note is left for whoever deletes the lists.
WITH touched AS (
    UPDATE {storage}.live SET max_n = max_n
),
dropped AS (
    UPDATE {storage}.publication SET dropped_at = now(), is_held_back = false
    WHERE version = ANY (%(versions)s)
    RETURNING version, run_id
)
INSERT INTO {storage}.attempt (version, run_id) SELECT version, run_id FROM dropped;
