//! How other servers see a server, asked step by step as they do it (spec: server-server API, server
//! discovery): well-known, SRV, addresses, certificate, version, keys, clock.

mod connect;
mod discovery;
mod dns;
mod keys;
mod policy;
mod step;
mod wire;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use jiff::Timestamp;
use ruma::OwnedServerName;
use rustls::RootCertStore;

pub(crate) use policy::Policy;
pub(crate) use step::{Step, Verdict};

/// With whose eyes a server is looked at.
#[derive(Debug)]
pub(crate) struct View {
    /// What our own server would refuse.
    pub(crate) policy: Policy,
    /// The CAs that are believed.
    pub(crate) roots: RootCertStore,
    /// Where it is our own server that is looked at, as others see it.
    pub(crate) own: Option<Own>,
    /// For each question.
    pub(crate) timeout: Duration,
    pub(crate) now: Timestamp,
}

#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) ca: Option<OwnCa>,
    /// Where it listens on this machine, for a name that leads nowhere.
    pub(crate) fallback: SocketAddr,
}

#[derive(Debug)]
pub(crate) struct OwnCa {
    pub(crate) file: PathBuf,
    pub(crate) roots: RootCertStore,
}

/// Where a server is, and by which name it must answer.
#[derive(Debug)]
struct Place {
    /// The name that its certificate must be for.
    host: String,
    /// The `Host` header.
    header: String,
    addresses: Vec<SocketAddr>,
}

/// Walks all steps; one that fails ends the walk where nothing can follow.
pub(crate) async fn walk(server: &OwnedServerName, view: &View) -> Vec<Step> {
    let mut steps = Vec::new();
    let refusal = view.policy.refuses_server(server);
    // A list is of others: our own name is in it by chance only.
    if let Some(refusal) = refusal.filter(|it| view.own.is_none() || *it == policy::Refusal::Off) {
        steps.push(refusal.step());
    }
    let Some(place) = discovery::find(server, view, &mut steps).await else { return steps };
    let mut unreached = Vec::new();
    for address in &place.addresses {
        match connect::reach(&place, *address, view).await {
            Ok(answer) => {
                let place = (&place, *address);
                steps.extend(connect::look(server, place, &answer, view).await);
            }
            Err(step) => unreached.push(step),
        }
    }
    if unreached.len() < place.addresses.len() {
        // Others try all of them, and one is enough.
        for step in &mut unreached {
            step.verdict = Verdict::Doubtful;
        }
    }
    steps.extend(unreached);
    steps
}
