//! What is looked at before something is changed: one table, of which each flow asks for its own part. A
//! check changes nothing but what every start makes anyway.

use std::{borrow::Cow, pin::Pin};

use tokio::time::Instant;

use crate::{
    config::Config,
    error::Failure,
    process::Stat,
    supervisor::{record::Snapshot, service::Service},
};

pub(crate) mod alerts;
pub(crate) mod backups;
pub(crate) mod beside;
mod database;
pub(crate) mod folder;
pub(crate) mod free;
mod front;
pub(crate) mod identity;
pub(crate) mod kind;
mod ports;
pub(crate) mod rendered;
pub(crate) mod secrets;
pub(crate) mod services;
mod workers;

/// What is about to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Install,
    /// Of a homeserver that does not run.
    Start,
    Restart,
    /// A start of one that runs, which gives it what the settings say now.
    Change,
    Scale,
    ConfigCheck,
}

/// For what concerns them all.
const EVERY: &[Flow] =
    &[Flow::Install, Flow::Start, Flow::Restart, Flow::Change, Flow::Scale, Flow::ConfigCheck];

impl Flow {
    /// As people type or say it.
    #[cfg(test)]
    fn word(self) -> &'static str {
        match self {
            Self::Install => "`manage install`",
            Self::Start => "`manage start`",
            Self::Restart => "`manage restart`",
            Self::Change => "`manage start` while it runs",
            Self::Scale => "`manage scale`",
            Self::ConfigCheck => "`config check`",
        }
    }
}

/// What was found: warnings, or what is in the way.
pub(crate) type Found = Result<Vec<String>, Failure>;

type Answer<'a> = Pin<Box<dyn Future<Output = Found> + 'a>>;

/// How a check looks.
#[derive(Clone, Copy)]
enum Look {
    Here(fn(&Subject<'_>) -> Found),
    /// Asks another process or server.
    Asks(for<'a> fn(&'a Subject<'_>) -> Answer<'a>),
}

/// One thing that is looked at.
pub(crate) struct Check {
    pub(crate) name: &'static str,
    /// What must hold, as a sentence without a full stop.
    about: &'static str,
    /// What to do, where what was found does not say it.
    remedy: &'static str,
    flows: &'static [Flow],
    look: Look,
}

/// All of them, in the order in which they are looked at: what others build on comes first, and who has to
/// ask somebody last.
static ALL: [&Check; 33] = [
    &folder::FOLDER,
    &folder::RUN,
    &kind::KIND,
    &services::SERVICES,
    &secrets::SECRETS,
    &database::RECORD,
    &ports::APART,
    &front::CERTIFICATE,
    &beside::BRIDGES,
    &beside::ENCRYPTED,
    &beside::KEYS,
    &front::PROXY,
    &beside::RELAY,
    &beside::CHAT,
    &beside::LOGINS,
    &beside::MEDIA,
    &front::WEB,
    &database::ENTRY,
    &identity::NAME,
    &free::FREE,
    &folder::SPACE,
    &beside::PROVIDER,
    &beside::NAMES,
    &database::REDIS,
    &workers::ELSEWHERE,
    &database::CONNECTIONS,
    &database::DATABASE,
    &beside::BUCKET,
    &rendered::BRIDGES,
    &rendered::FILES,
    &identity::KEY,
    &alerts::ROOM,
    &backups::STATE,
];

/// What is looked at, and for whom.
pub(crate) struct Subject<'a> {
    pub(crate) config: &'a Config,
    pub(crate) flow: Flow,
    /// The services that the settings make, where they are known already.
    pub(crate) services: Option<&'a [Service]>,
    /// What runs now: its processes leave their ports to the next ones.
    pub(crate) running: Option<&'a Snapshot>,
    /// Until then servers of others are waited for.
    pub(crate) deadline: Instant,
    without: Vec<&'static str>,
}

impl<'a> Subject<'a> {
    pub(crate) fn new(config: &'a Config, flow: Flow, deadline: Instant) -> Self {
        Self { config, flow, services: None, running: None, deadline, without: Vec::new() }
    }

    /// Leaves a check out where that is so.
    #[must_use]
    pub(crate) fn without(mut self, check: &Check, is_so: bool) -> Self {
        if is_so {
            self.without.push(check.name);
        }
        self
    }

    fn outline(&self) -> Result<Cow<'a, [Service]>, Failure> {
        Ok(match self.services {
            Some(services) => Cow::Borrowed(services),
            None => Cow::Owned(crate::services::outline(self.config)?),
        })
    }

    /// Whether that process is one of those that run now.
    fn is_ours(&self, pid: u32) -> bool {
        let reports = self.running.iter().flat_map(|now| now.services.values());
        let mut leaders = reports.filter_map(|report| report.pid);
        leaders.any(|leader| Stat::of(pid).is_some_and(|it| it.is_in_group(leader)))
    }
}

impl Check {
    /// Looks, whoever asks.
    pub(crate) async fn look(&self, subject: &Subject<'_>) -> Found {
        tracing::debug!(check = self.name, "{}", self.about);
        let found = match self.look {
            Look::Here(look) => look(subject),
            Look::Asks(look) => look(subject).await,
        };
        found.map_err(|failure| match failure.hint {
            None => failure.hinted(self.remedy),
            Some(_) => failure,
        })
    }
}

/// Looks at all that concerns this flow, and tells what should be known although it works; the first that
/// is in the way ends it.
pub(crate) async fn pass(
    subject: &Subject<'_>,
    on_warning: &mut dyn FnMut(&str),
) -> Result<(), Failure> {
    let concerns = |check: &&&Check| {
        check.flows.contains(&subject.flow) && !subject.without.contains(&check.name)
    };
    for check in ALL.iter().filter(concerns) {
        check.look(subject).await?.iter().for_each(|warning| on_warning(warning));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
