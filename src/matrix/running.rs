//! Whether the server that a session is for runs, or will again.

use std::time::SystemTime;

use jiff::Timestamp;

use super::Error;
use crate::{
    config::{sections::server::Kind, values::shape::Words as _},
    data_dir::DataDir,
    process::Lock,
    supervisor::{control, state::Phase},
};

/// The service that keeps the keys of encrypted rooms.
const CRYPTO: &str = "crypto";

/// The services that may be the one that answers.
fn services() -> impl Iterator<Item = &'static str> {
    Kind::ALL.iter().map(|kind| kind.service())
}

/// A token is for our own server: where that has stopped, alone or with its supervisor, another program
/// may listen on its port. A data folder that no supervisor ever used belongs to a server elsewhere, and
/// TLS knows its server.
pub(crate) fn require(data: &DataDir, url: &str) -> Result<(), Error> {
    let is_down = || {
        // Where somebody else keeps it there is no supervisor, and the mark alone tells.
        let has_ended = Lock::is_left(&data.supervisor_lock())? && !data.kept().exists();
        Ok::<_, Error>(has_ended || services().any(|name| data.down(name).exists()))
    };
    if url.starts_with("http://") && is_down()? {
        return Err(Error::Down { url: url.to_owned() });
    }
    Ok(())
}

/// Whether somebody brings the server back: its supervisor runs and has not given it up.
pub(super) async fn comes_back(data: &DataDir) -> bool {
    for name in services() {
        if is_kept(data, name).await {
            return true;
        }
    }
    false
}

/// Since when the process of the server runs, where its supervisor says that.
pub(super) async fn up_since(data: &DataDir) -> Option<SystemTime> {
    let all = control::status(data).await.ok()??;
    let report = services().find_map(|name| all.services.get(name))?;
    let started = report.started_at.as_ref()?.parse::<Timestamp>().ok()?;
    Some(started.into())
}

/// Whether the service that has the keys is there, or comes back.
pub(super) async fn keeps_keys(data: &DataDir) -> bool {
    is_kept(data, CRYPTO).await
}

async fn is_kept(data: &DataDir, service: &str) -> bool {
    let Ok(Some(all)) = control::status(data).await else { return false };
    all.services.get(service).is_some_and(|service| {
        let ends = matches!(service.state, Phase::Failed | Phase::Stopped | Phase::Stopping);
        service.wanted && !ends
    })
}
