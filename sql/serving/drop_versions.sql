-- From now on nothing can go back to these versions. A note is left for whoever deletes the lists.
WITH dropped AS (
    UPDATE {storage}.publication SET dropped_at = now(), is_held_back = false
    WHERE version = ANY (%(versions)s)
    RETURNING version, run_id
)
INSERT INTO {storage}.attempt (version, run_id) SELECT version, run_id FROM dropped;
