//! Begins again what Matrix has of the application. What was said stays in the application's tables, and can be told
//! again with [`super::look::replay`].

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::PgPool;
use uuid::Uuid;

use super::{Error, database, homeserver::Homeserver, registration, turn, user::Naming};
use crate::{config::Config, files};

/// What begins again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The tokens of the application service and the devices of its users; ids and rooms stay.
    Tokens,
    /// The rooms: each conversation gets another one with its next message.
    Rooms,
    /// Both, the ids of the users, and what waits or was refused: for another server name or prefix.
    All,
}

#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Done {
    /// Whether there are new tokens.
    pub(crate) tokens: bool,
    /// How many rooms no longer belong to a conversation.
    pub(crate) rooms: u64,
    /// How many users the homeserver is told of again.
    pub(crate) users: u64,
    /// How much is not told any more.
    pub(crate) dropped: u64,
}

const DOING: &str = "be reset";

/// Whoever is killed here runs it again.
pub(crate) async fn reset(config: &Config, pool: &PgPool, what: What) -> Result<Done, Error> {
    let mut turn = pool.acquire().await.map_err(Error::query(DOING))?;
    if !turn::is_ours(&mut *turn).await.map_err(Error::query(DOING))? {
        return Err(Error::Runs);
    }
    // A newer program may not have run with it yet.
    database::migrate(pool).await?;
    let mut done = Done::default();
    if what != What::Tokens {
        done.rooms = rooms(config, pool).await?;
    }
    if what == What::All {
        let identities = identities(pool, config).await;
        (done.users, done.dropped) = identities.map_err(Error::query(DOING))?;
    } else if what == What::Tokens {
        let query = "UPDATE relay.users SET told_name = NULL WHERE told_name IS NOT NULL";
        let users = sqlx::query(query).execute(pool).await;
        done.users = users.map_err(Error::query(DOING))?.rows_affected();
    }
    if what != What::Rooms {
        for secret in registration::SECRETS {
            files::remove(&config.data.secret(secret))?;
        }
        registration::write(config)?;
        done.tokens = true;
    }
    Ok(done)
}

/// Takes each room from its conversation, and its alias from the room, so that the next one can have it.
async fn rooms(config: &Config, pool: &PgPool) -> Result<u64, Error> {
    let all: Vec<Uuid> =
        sqlx::query_scalar("SELECT conversation_id FROM relay.matrix_room_mappings ORDER BY 1")
            .fetch_all(pool)
            .await
            .map_err(Error::query(DOING))?;
    // The aliases of another server are no longer in the way.
    let is_ours = database::whose(pool).await? == database::Whose::of(config);
    let told = Homeserver::of(config, &registration::of(config)?)?;
    let naming = Naming::of(config);
    for conversation in &all {
        if is_ours {
            told.free_alias(&naming.full_alias(*conversation)).await?;
        }
        let forgotten = sqlx::query("SELECT relay.forget_room($1)").bind(conversation);
        forgotten.execute(pool).await.map_err(Error::query(DOING))?;
    }
    Ok(all.len() as u64)
}

/// Gives all users of the application the ids that they have here, and forgets what was on its way.
async fn identities(pool: &PgPool, config: &Config) -> Result<(u64, u64), sqlx::Error> {
    let mut change = pool.begin().await?;
    let server = config.server.name.0.as_str();
    // People of a server that is no more cannot be invited.
    sqlx::query(
        "UPDATE relay.participants p SET left_at = now() FROM relay.users u, relay.settings s
        WHERE p.user_id = u.id AND p.left_at IS NULL AND NOT u.is_ghost AND s.server_name <> $1
            AND u.matrix_user_id LIKE '%:' || s.server_name",
    )
    .bind(server)
    .execute(&mut *change)
    .await?;
    let naming = Naming::of(config);
    let ghosts: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM relay.users WHERE is_ghost")
        .fetch_all(&mut *change)
        .await?;
    let names: Vec<String> = ghosts.iter().map(|id| naming.user(*id)).collect();
    let users = sqlx::query(
        "UPDATE relay.users u SET matrix_user_id = n.name, told_name = NULL
        FROM unnest($1::uuid[], $2::text[]) AS n (id, name) WHERE u.id = n.id",
    )
    .bind(ghosts)
    .bind(names)
    .execute(&mut *change)
    .await?;
    let dropped = sqlx::query("DELETE FROM relay.outbox").execute(&mut *change).await?;
    sqlx::query("DELETE FROM relay.inbox").execute(&mut *change).await?;
    sqlx::query("UPDATE relay.settings SET server_name = $1, prefix = $2")
        .bind(server)
        .bind(&config.relay.prefix.0)
        .execute(&mut *change)
        .await?;
    change.commit().await?;
    Ok((users.rows_affected(), dropped.rows_affected()))
}
