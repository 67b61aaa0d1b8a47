-- Delete a user's lists in some versions; the records of these publications then count what is left.
WITH
gone AS (
    DELETE FROM {storage}.user_lists
    WHERE version = ANY (%(versions)s) AND user_id = %(user_id)s
    RETURNING version, cardinality(item_ids) AS n_items
),
recorded AS (
    UPDATE {storage}.publication SET
        n_users = publication.n_users - 1,
        n_recommendations = publication.n_recommendations - gone.n_items
    FROM gone
    WHERE publication.version = gone.version
)
SELECT version FROM gone;
