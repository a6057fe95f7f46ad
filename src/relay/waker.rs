//! Has the homeserver tell at once what it could not: by itself it waits for up to eight minutes and a half after
//! something was refused or found nobody.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ruma::{OwnedServerName, OwnedUserId};
use tokio::time::sleep;

use super::{Error, tail::Tail};
use crate::{
    bridges::Registration,
    config::Config,
    matrix::ping::{Asks, ping},
    synapse::workers,
};

/// Between two looks whether something was refused.
const LOOK: Duration = Duration::from_secs(2);
/// How long the homeserver may take to reach us.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether the homeserver may have something that it could not tell.
#[derive(Clone, Debug)]
pub(super) struct Kept(Arc<AtomicBool>);

impl Kept {
    /// Who has just started does not know what it was told meanwhile.
    pub(super) fn unknown() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    /// Something was refused.
    pub(super) fn more(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub(super) struct Waker {
    registration: Registration,
    server_name: OwnedServerName,
    user_id: OwnedUserId,
    url: String,
    socket: Option<PathBuf>,
}

impl Waker {
    /// As the service `user_id`.
    pub(super) fn of(
        config: &Config,
        registration: Registration,
        user_id: OwnedUserId,
    ) -> Result<Self, Error> {
        let server_name = config.server.name.0.clone();
        let (url, socket) = workers::tells_services(config)?;
        Ok(Self { registration, server_name, user_id, url, socket })
    }

    /// Until the process is ended. Nothing is asked for that could not be taken.
    pub(super) async fn run(self, kept: Kept, tail: Tail) {
        loop {
            if tail.is_there() && kept.0.swap(false, Ordering::Relaxed) {
                let asks = Asks {
                    url: self.url.clone(),
                    socket: self.socket.clone(),
                    server_name: self.server_name.clone(),
                    user_id: self.user_id.clone(),
                    id: self.registration.id.clone(),
                    as_token: self.registration.as_token.clone(),
                    bridge: self.registration.url.clone().unwrap_or_default(),
                };
                if let Err(error) = ping(asks, PATIENCE).await {
                    tracing::debug!("the homeserver was not woken: {error}");
                    kept.more();
                }
            }
            sleep(LOOK).await;
        }
    }
}
