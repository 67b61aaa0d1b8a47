-- Keep rollbacks and other flips away until the transaction ends, and see where the pointer stands.
SELECT version, held_at, held_by FROM {storage}.live FOR UPDATE;
