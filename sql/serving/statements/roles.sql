-- Those of some roles that are there, what they may and who may act as them. Nightshelf's are those with its comment
-- and the login itself. Objects are counted in all databases of the server.
SELECT
    roles.rolname::text AS role,
    roles.rolname = session_user
    OR coalesce(pg_catalog.shobj_description(roles.oid, 'pg_authid') = %(comment)s, false) AS is_ours,
    roles.rolsuper,
    roles.rolcanlogin,
    roles.rolcreaterole,
    roles.rolcreatedb,
    roles.rolreplication,
    roles.rolbypassrls,
    ARRAY(
        SELECT members.rolname::text
        FROM pg_catalog.pg_auth_members AS membership
        JOIN pg_catalog.pg_roles AS members ON members.oid = membership.member
        WHERE membership.roleid = roles.oid AND members.rolname <> session_user
        GROUP BY members.rolname
        ORDER BY members.rolname
    ) AS members,
    (
        SELECT count(*) FROM pg_catalog.pg_shdepend AS owned
        WHERE owned.refclassid = 'pg_catalog.pg_authid'::regclass
            AND owned.refobjid = roles.oid AND owned.deptype = 'o'
    ) AS n_owned
FROM pg_catalog.pg_roles AS roles
WHERE roles.rolname = ANY (%(roles)s::text[])
ORDER BY array_position(%(roles)s::text[], roles.rolname::text);
