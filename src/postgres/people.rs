//! Whose accounts there are.

use sqlx::PgConnection;

use super::Error;

/// The ids of all accounts that no bridge has made. Needs no more than the homeserver's own role.
pub(crate) async fn people(inside: &mut PgConnection) -> Result<Vec<String>, Error> {
    const PEOPLE: &str = "SELECT name FROM users WHERE appservice_id IS NULL AND is_guest = 0";
    sqlx::query_scalar(PEOPLE).fetch_all(inside).await.map_err(Error::query("list its accounts"))
}
