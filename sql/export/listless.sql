-- Users without a list of their own of whom recommend() knows something: what they bought, or of which categories.
(
    SELECT lists.user_id FROM {storage}.user_categories AS lists
    UNION
    SELECT lists.user_id FROM {storage}.user_purchases AS lists
)
EXCEPT
SELECT lists.user_id FROM {storage}.user_lists AS lists;
