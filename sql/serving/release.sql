-- End a hold.
SELECT from_version, live_version, was_held FROM {storage}.release(%(who)s);
