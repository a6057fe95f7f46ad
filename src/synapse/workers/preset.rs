//! Sets of workers by name, for those who do not want to list them.

use super::Kind;
use crate::config::{
    Config,
    sections::{
        synapse::Mode,
        workers::{Counts, Preset},
    },
    values::shape::Words as _,
};

/// Whether there are other servers to talk to.
pub(super) fn federates(config: &Config) -> bool {
    config.synapse.federation != Mode::Off
}

pub(super) fn counts(config: &Config) -> Counts {
    let mut counts: Vec<(Kind, u32)> = match config.workers.preset {
        Preset::None => Vec::new(),
        // Reading, waiting, writing and tidying up, each with a core of its own.
        Preset::Small => [
            Kind::Generic,
            Kind::Synchrotron,
            Kind::EventPersister,
            Kind::Background,
            Kind::FederationSender,
        ]
        .map(|kind| (kind, 1))
        .into(),
        // A generic one would have nothing left to do, single sign-on has to be set up first, and
        // subscriptions to threads are an experiment that is off.
        Preset::OneOfEach => Kind::ALL
            .iter()
            .filter(|kind| !matches!(kind, Kind::Generic | Kind::Sso | Kind::ThreadSubscriptions))
            .map(|kind| (*kind, 1))
            .collect(),
        Preset::ByLoad => by_load(cores(config)),
    };
    counts.retain(|(kind, _)| match kind {
        Kind::Presence => config.synapse.presence,
        kind => federates(config) || !kind.facts().federation,
    });
    Counts(counts.into_iter().collect())
}

/// The cores there are, or those to count with.
pub(crate) fn cores(config: &Config) -> u32 {
    let here = || std::thread::available_parallelism().map_or(1, usize::from);
    match config.workers.cores {
        0 => u32::try_from(here()).unwrap_or(u32::MAX),
        cores => cores,
    }
}

/// Python uses one core a process, PostgreSQL takes about a third of all. What waits (`/sync`) and
/// what writes events are most of a busy server; the rest comes when there are cores left for it.
fn by_load(cores: u32) -> Vec<(Kind, u32)> {
    let one_in = |share: u32| (cores / share).clamp(1, 16);
    let mut counts = vec![
        (Kind::Generic, one_in(6)),
        (Kind::Synchrotron, one_in(4)),
        (Kind::EventPersister, one_in(6)),
        (Kind::FederationSender, one_in(8)),
    ];
    if cores >= 4 {
        counts.extend([(Kind::Background, 1), (Kind::EventCreator, one_in(6))]);
    }
    if cores >= 8 {
        counts.extend([
            (Kind::ClientReader, one_in(8)),
            (Kind::Receipts, one_in(16)),
            (Kind::DeviceLists, one_in(16)),
            (Kind::Pusher, one_in(16)),
            (Kind::FederationReader, one_in(8)),
            (Kind::FederationInbound, one_in(8)),
        ]);
        counts.extend(
            [
                Kind::ToDevice,
                Kind::AccountData,
                Kind::Typing,
                Kind::Presence,
                Kind::UserDirectory,
                Kind::Media,
            ]
            .map(|kind| (kind, 1)),
        );
    }
    counts
}
