-- Record a publication or a refusal. The same one again updates its record and adds no row.
INSERT INTO {storage}.publication AS recorded (
    version, run_id, status, as_of, n_users, n_items, n_recommendations,
    precision_at_3, repeat_purchases, lists_sha256, params, decision, is_held_back
)
VALUES (
    %(version)s, %(run_id)s, %(status)s, %(as_of)s, %(n_users)s, %(n_items)s, %(n_recommendations)s,
    %(precision_at_3)s, %(repeat_purchases)s, %(lists_sha256)s, %(params)s, %(decision)s,
    %(is_held_back)s
)
ON CONFLICT (run_id, lists_sha256, status) DO UPDATE SET
    published_at = now(),
    precision_at_3 = excluded.precision_at_3,
    params = excluded.params,
    decision = excluded.decision,
    is_held_back = excluded.is_held_back,
    dropped_at = CASE WHEN %(is_loaded)s THEN NULL ELSE recorded.dropped_at END
RETURNING recorded.number;
