//! The relay: chat for an application that keeps its own conversations, stored first and sent once.
//!
//! Theory of operation. What the application says is one statement to its [`database`]: the message, what
//! readers are told of it and what the homeserver is still to be told ([`sender`]) are written together or not
//! at all; a program of the application may make that statement within a transaction of its own. Matrix comes
//! behind it: one lane a conversation tells the homeserver in order, as the application's users, whose
//! devices ([`homeserver`]) make the homeserver remember transaction ids for a day; what is older is looked
//! for in the room by its mark before it is sent again. What the homeserver refuses for good is put aside with
//! its reason and holds up nobody. The other way round, the homeserver's transactions ([`inbound`]) are
//! answered when all in them is in the database, each event once by its id.
//!
//! Nothing here needs an orderly end.

mod api;
mod counts;
pub(crate) mod database;
mod ephemeral;
mod error;
mod homeserver;
mod inbound;
pub(crate) mod keys;
pub(crate) mod look;
pub(crate) mod registration;
mod rooms;
mod sender;
mod tail;
mod tokens;
mod trouble;
mod user;

pub(crate) use error::Error;

use std::{net::SocketAddr, sync::Arc};

use sqlx::PgPool;
use tokio::{net::TcpListener, task::LocalSet, time::Instant};

use crate::{
    config::{Config, sections::relay::Strangers},
    files,
    listener::{self, rate::Rates},
    process,
    secret::Secret,
};

/// What all requests share.
struct Shared {
    pool: PgPool,
    keys: keys::Known,
    tokens: Option<tokens::Tokens>,
    rates: Rates,
    /// Requests of each a second.
    rate: u32,
    hs_token: Secret,
    naming: user::Naming,
    strangers: Strangers,
    largest_body: usize,
    counts: counts::Counts,
    tail: tail::Tail,
    typing: ephemeral::Typing,
}

/// Takes requests and tells the homeserver until the process is ended.
pub(crate) async fn run(config: &Config) -> Result<(), Error> {
    let set = &config.relay;
    files::private_folder(&config.data.run())?;
    let _lock = process::Lock::try_acquire(&config.data.run().join("relay.lock"), "daemon relay")?;
    let address = SocketAddr::from((set.address, set.port.0));
    let socket = TcpListener::bind(address).await;
    let socket = socket.map_err(|source| Error::Listen(address, source))?;
    let deadline = Instant::now() + config.supervision.start_timeout.0;
    let pool = database::ready(config, deadline).await?;
    let registration = registration::of(config)?;
    let counts = counts::Counts::default();
    let shared = Arc::new(Shared {
        keys: keys::Known::of(pool.clone()),
        tokens: tokens::Tokens::of(set)?,
        rates: Rates::default(),
        rate: set.rate,
        hs_token: registration.hs_token.clone(),
        naming: user::Naming::of(config),
        strangers: set.strangers,
        largest_body: usize::try_from(set.largest_body.0).unwrap_or(usize::MAX),
        counts: counts.clone(),
        tail: tail::Tail::of(pool.clone()),
        typing: ephemeral::Typing::default(),
        pool: pool.clone(),
    });
    // Before anybody reads along: they are told from where on.
    shared.tail.begin().await;
    tokio::spawn(tail::run(shared.tail.clone()));
    let connections = usize::try_from(set.connections).unwrap_or(usize::MAX).max(1);
    let local = LocalSet::new();
    let told = homeserver::Homeserver::of(config, &registration)?;
    let sender = sender::Sender::of(pool, told, user::Naming::of(config), counts);
    local.spawn_local(sender::run(sender));
    local.run_until(listener::serve(socket, connections, api::router(shared))).await;
    Ok(())
}
