-- What items look like, or what is written of them, as numbers: one row for each item and kind. Optional, and left out
-- where the shop's database has no such table, which the line `only where ...` says.
--
--   item_id    of the type that [ids] in config.toml says
--   embedding  the numbers: an array or a list, a pgvector, or a text of JSON such as [0.1, 0.2]; of any length, but of
--              one length for each kind
--
-- And two that may be left out, or be NULL:
--
--   kind       what it was made of: 'picture', 'text', ...; NULL: 'default'
--   known_at   since when it is known, a time or a date; what is measured as of an earlier time does without it
--
-- The line `also, where ...` selects those of its columns that the table has.
-- only where there is a table item_embeddings
SELECT
    product_id AS item_id,
    embedding  AS embedding
    -- also, where item_embeddings has them: kind, known_at
FROM item_embeddings
