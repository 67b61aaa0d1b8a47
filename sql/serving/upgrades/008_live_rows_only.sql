-- Whoever reads through the views gets to no row of a version that is not live, by no condition of their own.
--
-- A condition that calls a function of the app's may be tried on a row before the view's own condition is, and the
-- function may tell what it was given. Row security is a barrier to that: the tables show the owner of the views, with
-- whose rights views and functions read, the live version alone, and PostgreSQL tries this before all conditions
-- that are not known to keep silent. `=` on ids and texts is known to, so that a list is still one index lookup.
--
-- WITH (security_barrier) on the views is the same barrier for more: a join with an app's own table would read the
-- lists of all users.

SET LOCAL ROLE {publisher};

CREATE POLICY live_version ON {storage}.user_lists FOR SELECT TO {owner}
    USING (version = (SELECT live.version FROM {storage}.live));
ALTER TABLE {storage}.user_lists ENABLE ROW LEVEL SECURITY;

CREATE POLICY live_version ON {storage}.popular_lists FOR SELECT TO {owner}
    USING (version = (SELECT live.version FROM {storage}.live));
ALTER TABLE {storage}.popular_lists ENABLE ROW LEVEL SECURITY;

CREATE POLICY live_version ON {storage}.similar_lists FOR SELECT TO {owner}
    USING (version = (SELECT live.version FROM {storage}.live));
ALTER TABLE {storage}.similar_lists ENABLE ROW LEVEL SECURITY;

CREATE POLICY live_version ON {storage}.also_bought_lists FOR SELECT TO {owner}
    USING (version = (SELECT live.version FROM {storage}.live));
ALTER TABLE {storage}.also_bought_lists ENABLE ROW LEVEL SECURITY;
