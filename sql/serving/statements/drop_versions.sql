-- Mark versions as dropped, so that no rollback goes back to them. The pointer's row is written too: a rollback
-- whose snapshot is older then fails instead of trusting it. The notes in `attempt` have their lists deleted by
-- the next publisher, should this one die before it does so.
WITH touched AS (
    UPDATE {storage}.live SET max_n = max_n
),
dropped AS (
    UPDATE {storage}.publication SET dropped_at = now(), is_held_back = false
    WHERE version = ANY (%(versions)s)
    RETURNING version, run_id
)
INSERT INTO {storage}.attempt (version, run_id) SELECT version, run_id FROM dropped;
