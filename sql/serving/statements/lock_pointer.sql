-- Lock the pointer, so that no rollback and no other publisher moves it before this transaction ends.
SELECT version, held_at, held_by FROM {storage}.live FOR UPDATE;
