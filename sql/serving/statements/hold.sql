-- The hold, if one is on.
SELECT held_at, held_by FROM {storage}.live WHERE held_at IS NOT NULL;
