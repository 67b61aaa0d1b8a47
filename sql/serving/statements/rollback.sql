-- Put a stored publication live; without one, that which was live before.
SELECT from_version, live_version, is_held FROM {storage}.rollback(%(to)s, %(hold)s, %(who)s);
