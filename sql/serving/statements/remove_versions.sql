-- Delete everything that is stored under some versions, and the notes of attempts to load them.
WITH
user_lists AS (DELETE FROM {storage}.user_lists WHERE version = ANY (%(versions)s)),
popular_lists AS (DELETE FROM {storage}.popular_lists WHERE version = ANY (%(versions)s)),
similar_lists AS (DELETE FROM {storage}.similar_lists WHERE version = ANY (%(versions)s)),
also_bought_lists AS (DELETE FROM {storage}.also_bought_lists WHERE version = ANY (%(versions)s)),
user_purchases AS (DELETE FROM {storage}.user_purchases WHERE version = ANY (%(versions)s)),
user_categories AS (DELETE FROM {storage}.user_categories WHERE version = ANY (%(versions)s)),
segment_lists AS (DELETE FROM {storage}.segment_lists WHERE version = ANY (%(versions)s)),
user_segments AS (DELETE FROM {storage}.user_segments WHERE version = ANY (%(versions)s)),
item_names AS (DELETE FROM {storage}.item_names WHERE version = ANY (%(versions)s)),
dropped AS (
    UPDATE {storage}.publication SET dropped_at = now()
    WHERE version = ANY (%(versions)s) AND dropped_at IS NULL
)
DELETE FROM {storage}.attempt WHERE version = ANY (%(versions)s);
