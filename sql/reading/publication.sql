-- The live publication, and how good it was.
SELECT
    shop.version,
    shop.max_n,
    json_build_object(
        'version', live.version,
        'run_id', live.run_id,
        'as_of', to_char(live.as_of AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        'published_at', to_char(live.published_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        'n_users', live.n_users,
        'n_items', live.n_items,
        'precision_at_3', live.precision_at_3,
        'model', live.params ->> 'model',
        'is_fallback', live.decision -> 'fallback' ->> 'model' IS NOT NULL,
        'is_unjudged', coalesce(live.decision -> 'judged' -> 'is_unjudged' = 'true', false)
    )::text AS body
FROM {schema}.shop
LEFT JOIN {schema}.publications AS live ON live.version = shop.version;
