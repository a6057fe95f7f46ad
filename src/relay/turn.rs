//! Of all relays with one database one tells the homeserver, as long as its connection lasts; the others take over
//! when it is gone. For a moment there may be two: both tell the same under the same transaction ids.

use sqlx::{Executor, Postgres};

/// Whether it is our turn now. It is ours until the connection ends.
pub(super) async fn is_ours<'a>(
    on: impl Executor<'a, Database = Postgres>,
) -> Result<bool, sqlx::Error> {
    // The name of the lock: "relay", and which of ours.
    sqlx::query_scalar("SELECT pg_try_advisory_lock(1919247468, 2)").fetch_one(on).await
}
