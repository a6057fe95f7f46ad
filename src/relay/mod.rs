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
mod each;
mod entries;
mod ephemeral;
mod error;
mod fetch;
mod files;
mod fitness;
mod homeserver;
mod inbound;
pub(crate) mod keys;
mod lane;
pub(crate) mod look;
mod places;
mod private;
mod profiles;
mod recent;
pub(crate) mod registration;
pub(crate) mod reset;
mod rooms;
mod sender;
mod standing;
mod tail;
mod teller;
mod tokens;
mod trouble;
mod turn;
mod user;
mod waker;

pub(crate) use error::Error;
pub(crate) use fitness::{check, doubtful, same_names};

use std::{net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use sqlx::PgPool;
use tokio::{net::TcpListener, sync::watch, task::LocalSet, time::sleep};

use crate::{
    config::{Config, sections::relay::Strangers, values::origin::Origin},
    listener::{self, rate::Rates},
    process,
    secret::Secret,
};

/// A database that is there is ready within this: who asks meanwhile waits, and is not told that there is none.
const SHORTLY: Duration = Duration::from_secs(3);

/// How many requests that change a conversation, or a user, are in the database at once: the others wait here. It takes them
/// one after the other anyway, and where somebody keeps it from that, this many connections are waiting and no more.
const SPEAKERS: usize = 3;

/// What all requests share.
struct Shared {
    pool: PgPool,
    /// For what the homeserver tells.
    work: PgPool,
    keys: keys::Known,
    tokens: Option<tokens::Tokens>,
    rates: Rates,
    /// Requests of each a second.
    rate: u32,
    /// The same of each key of the application.
    key_rate: u32,
    hs_token: Secret,
    naming: user::Naming,
    strangers: Strangers,
    largest_body: usize,
    largest_file: usize,
    /// Whose pages may ask.
    origins: Vec<Origin>,
    /// Those who change a conversation, or a user.
    speakers: each::Each,
    /// For files that requests bring.
    places: places::Places,
    told: homeserver::Homeserver,
    /// Whether what is said goes to Matrix.
    matrix: bool,
    /// Whether the homeserver keeps who is there.
    presence: bool,
    counts: counts::Counts,
    tail: tail::Tail,
    teller: teller::Teller,
    typing: ephemeral::Typing,
    /// Whether the homeserver may have more for us.
    kept: waker::Kept,
}

/// Takes requests and tells the homeserver until the process is ended.
pub(crate) async fn run(config: &Config) -> Result<(), Error> {
    let set = &config.relay;
    crate::files::private_folder(&config.data.run())?;
    let _lock = process::Lock::try_acquire(&config.data.run().join("relay.lock"), "daemon relay")?;
    let address = SocketAddr::from((set.address, set.port.0));
    let socket = TcpListener::bind(address).await;
    let socket = socket.map_err(|source| Error::Listen(address, source))?;
    let connections = usize::try_from(set.connections).unwrap_or(usize::MAX).max(1);
    let counts = counts::Counts::begin();
    let registration = registration::of(config)?;
    let (why, closed) = watch::channel("the database is not there yet".to_owned());
    let closed = api::closed(counts.clone(), closed);
    let mut ending = process::Ending::new()?;
    let database::Pools { requests, work } = tokio::select! {
        _ = ending.next() => return Ok(()),
        pools = database::awaited(config, &why) => pools?,
        () = async {
            sleep(SHORTLY).await;
            listener::serve(&socket, connections, closed).await;
        } => return Ok(()),
    };
    let told = homeserver::Homeserver::of(config, &registration)?;
    let (teller, telling) = teller::Teller::of(work.clone());
    tokio::spawn(telling);
    let shared = Arc::new(Shared {
        keys: keys::Known::new(requests.clone()),
        tokens: tokens::Tokens::of(set)?,
        rates: Rates::default(),
        rate: set.rate,
        key_rate: set.key_rate,
        hs_token: registration.hs_token.clone(),
        naming: user::Naming::of(config),
        strangers: set.strangers,
        largest_body: usize::try_from(set.largest_body.0).unwrap_or(usize::MAX),
        largest_file: config.largest_of_relay(),
        origins: set.origins.clone(),
        speakers: each::Each::of(SPEAKERS),
        places: places::Places::new(places::PATIENCE),
        told: told.clone(),
        matrix: set.matrix,
        presence: config.synapse.presence,
        counts: counts.clone(),
        tail: tail::Tail::of(work.clone(), requests.clone()),
        teller,
        typing: ephemeral::Typing::default(),
        kept: waker::Kept::unknown(),
        pool: requests,
        work: work.clone(),
    });
    // Before anybody reads along: they are told from where on.
    shared.tail.begin().await;
    tokio::spawn(tail::run(shared.tail.clone()));
    tokio::spawn(shared.tail.clone().forget(set.keep_events.0));
    // A homeserver elsewhere tells the relay that is beside it.
    if set.homeserver.is_none() {
        let waker = waker::Waker::of(config, registration, told.service().to_owned())?;
        tokio::spawn(waker.run(shared.kept.clone(), shared.tail.clone()));
    }
    let local = LocalSet::new();
    let fetcher = fetch::Fetcher::new(&set.fetch_from, config.largest_of_relay())?;
    let files = Rc::new(files::Files::of(work.clone(), fetcher));
    local.spawn_local(sender::run(work, told, files, user::Naming::of(config), counts));
    let tail = shared.tail.clone();
    let served = async {
        tokio::select! {
            () = listener::serve(&socket, connections, api::router(shared)) => {}
            _ = ending.next() => tail.end().await,
        }
    };
    local.run_until(served).await;
    Ok(())
}
