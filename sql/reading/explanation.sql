-- Why an item is in a user's list; no body where recommend() shows it to this user nowhere.
SELECT
    shop.version,
    shop.max_n,
    CASE
        WHEN said.explanation IS NOT NULL THEN json_build_object(
            'version', shop.version,
            'user_id', %(user_id)s::{user_id_type},
            'item_id', %(item_id)s::{item_id_type},
            'explanation', said.explanation
        )::text
    END AS body
FROM {schema}.shop
CROSS JOIN LATERAL (
    SELECT {schema}.explain(%(user_id)s::{user_id_type}, %(item_id)s::{item_id_type}) AS explanation OFFSET 0
) AS said;
