//! What is there: server, role and database as they are, read only.

use sqlx::PgConnection;

use super::Error;

#[derive(Debug)]
pub(super) struct Survey {
    /// `150018` for 15.18.
    pub(super) version_number: i32,
    pub(super) version: String,
    /// Connections that others leave to us.
    pub(super) connections_left: i64,
    pub(super) role: Option<Role>,
    pub(super) database: Option<Database>,
}

#[derive(Debug)]
pub(super) struct Role {
    pub(super) can_login: bool,
    /// What it may do beyond logging in, in PostgreSQL's words.
    pub(super) privileges: String,
    /// -1 is no limit.
    pub(super) limit: i32,
    pub(super) comment: Option<String>,
}

#[derive(Debug)]
pub(super) struct Database {
    pub(super) encoding: String,
    pub(super) collate: String,
    pub(super) ctype: String,
    pub(super) owner: String,
    pub(super) limit: i32,
    pub(super) comment: Option<String>,
}

const SERVER: &str = "
SELECT current_setting('server_version_num')::int4, current_setting('server_version'),
    current_setting('max_connections')::int8
    - current_setting('superuser_reserved_connections')::int8
    - coalesce(current_setting('reserved_connections', true)::int8, 0)
    - (SELECT count(*) FROM pg_stat_activity
       WHERE datid IS NOT NULL AND usename IS DISTINCT FROM $1 AND pid <> pg_backend_pid()
       AND coalesce(backend_type, 'client backend') = 'client backend')";

const ROLE: &str = r"
SELECT rolcanlogin, rolconnlimit,
    shobj_description(r.oid, 'pg_authid'),
    concat_ws(', ', CASE WHEN rolsuper THEN 'SUPERUSER' END,
        CASE WHEN rolcreaterole THEN 'CREATEROLE' END, CASE WHEN rolcreatedb THEN 'CREATEDB' END,
        CASE WHEN rolreplication THEN 'REPLICATION' END,
        CASE WHEN rolbypassrls THEN 'BYPASSRLS' END,
        CASE WHEN NOT rolsuper THEN
            (SELECT string_agg('member of ' || g.rolname, ', ' ORDER BY g.rolname) FROM pg_roles g
             WHERE (g.rolsuper OR g.rolname LIKE 'pg\_%') AND g.rolname <> 'pg_database_owner'
             AND g.oid <> r.oid AND pg_has_role(r.oid, g.oid, 'MEMBER')) END)
FROM pg_roles r WHERE rolname = $1";

/// A database of the ICU provider sorts by ICU, whatever `datcollate` says; the column is younger
/// than the oldest server we support.
const DATABASE: &str = "
SELECT pg_encoding_to_char(encoding)::text,
    CASE WHEN to_jsonb(d) ->> 'datlocprovider' = 'i' THEN 'ICU' ELSE datcollate::text END,
    datctype::text, pg_get_userbyid(datdba)::text, datconnlimit,
    shobj_description(d.oid, 'pg_database')
FROM pg_database d WHERE datname = $1";

/// Looks around, in whatever database the connection is.
pub(super) async fn survey(
    connection: &mut PgConnection,
    role: &str,
    database: &str,
) -> Result<Survey, Error> {
    let (version_number, version, connections_left) = sqlx::query_as(SERVER)
        .bind(role)
        .fetch_one(&mut *connection)
        .await
        .map_err(Error::query("say what it is"))?;
    let role: Option<(bool, i32, Option<String>, String)> = sqlx::query_as(ROLE)
        .bind(role)
        .fetch_optional(&mut *connection)
        .await
        .map_err(Error::query(format!("describe the role `{role}`")))?;
    let role = role.map(|(can_login, limit, comment, privileges)| Role {
        can_login,
        privileges,
        limit,
        comment,
    });
    let database: Option<(String, String, String, String, i32, Option<String>)> =
        sqlx::query_as(DATABASE)
            .bind(database)
            .fetch_optional(&mut *connection)
            .await
            .map_err(Error::query(format!("describe the database `{database}`")))?;
    let database = database.map(|(encoding, collate, ctype, owner, limit, comment)| Database {
        encoding,
        collate,
        ctype,
        owner,
        limit,
        comment,
    });
    Ok(Survey { version_number, version, connections_left, role, database })
}
