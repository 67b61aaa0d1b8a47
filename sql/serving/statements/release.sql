-- End a hold and put the newest publication that it held back live.
SELECT from_version, live_version, was_held FROM {storage}.release(%(who)s);
