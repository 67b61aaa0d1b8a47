-- Why an item is in a user's list, as JSON; no body where it is not.
SELECT
    live.version,
    CASE
        WHEN told.explanation IS NOT NULL THEN json_build_object(
            'version', live.version,
            'user_id', %(user_id)s::{user_id_type},
            'item_id', %(item_id)s::{item_id_type},
            'explanation', told.explanation
        )::text
    END AS body
FROM (SELECT max(publications.version) AS version FROM {schema}.publications WHERE is_live) AS live
CROSS JOIN LATERAL (
    SELECT {schema}.explain(%(user_id)s::{user_id_type}, %(item_id)s::{item_id_type}) AS explanation
) AS told;
