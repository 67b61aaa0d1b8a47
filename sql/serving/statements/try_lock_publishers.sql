-- Take the publishers' lock (lock_publishers.sql), or fail at once where another session has it.
LOCK TABLE {storage}.schema_info IN SHARE UPDATE EXCLUSIVE MODE NOWAIT;
