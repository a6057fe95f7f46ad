//! Tells a room how the services are: one message for all that happened since the last one, and none
//! for what is as it was. What cannot be told yet, because the homeserver itself is away, is told when
//! it is back.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use ruma::OwnedTransactionId;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    backup::{due::Trouble, record::Record},
    checks::backups,
    config::{Config, sections::server::Kind},
    data_dir::DataDir,
    error::Failure,
    files,
    matrix::{
        self,
        client::{self, Client},
        message::{self, Markup},
        room,
    },
    supervisor::{
        control::{self, Events},
        events::ServiceEvent,
        state::Phase,
    },
};

/// How long one message may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two tries to tell the room, or to find the supervisor.
const AGAIN: Duration = Duration::from_secs(5);
/// What follows at once belongs together: a service that ends takes others along.
const GATHER: Duration = Duration::from_secs(1);

/// Between two looks at the backups.
const LOOK: Duration = Duration::from_secs(30);

/// While the homeserver itself is not well it is seldom asked to tell that: what is told when it is back
/// is how things are then.
const MUTE: Duration = Duration::from_secs(30);

/// How a service is, as far as a person wants to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Well,
    Unwell(String),
    Failed(String),
}

/// What the room knows of a service, and what it does not know yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Known {
    told: State,
    now: State,
    /// How often it ended by itself since it was told.
    ended: u32,
}

/// What the room was told, kept over a restart of this service.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Digest {
    /// When the supervisor was started whose events these are.
    supervisor: String,
    /// The last event that was looked at.
    last: u64,
    services: BTreeMap<String, Known>,
    /// What is wrong with the backups: what tells it from other news, and the words.
    #[serde(default)]
    backups: BTreeMap<String, String>,
    /// The same as the room knows it.
    #[serde(default)]
    backups_told: BTreeMap<String, String>,
    /// How often something was new with the backups.
    #[serde(default)]
    looks: u64,
}

impl Digest {
    /// That of another supervisor's events; backups outlive it.
    fn begun(self, supervisor: String) -> Self {
        let Self { backups, backups_told, looks, .. } = self;
        Self { supervisor, last: 0, services: BTreeMap::new(), backups, backups_told, looks }
    }

    /// Whether that is new.
    fn look_at_backups(&mut self, troubles: &[Trouble]) -> bool {
        let now: BTreeMap<String, String> =
            troubles.iter().map(|it| (it.news.clone(), it.to_string())).collect();
        let is_new = !now.keys().eq(self.backups.keys());
        self.looks += u64::from(is_new);
        self.backups = now;
        if !self.backups.is_empty() {
            // What is over while something else is not is no news, and would be if it came again.
            self.backups_told.retain(|news, _| self.backups.contains_key(news));
        }
        is_new
    }

    pub(crate) fn look_at(&mut self, event: &ServiceEvent) {
        self.last = event.number;
        let why = || event.message.clone().unwrap_or_else(|| "no word why".to_owned());
        let now = match (event.state, event.healthy) {
            (Phase::Failed, _) => State::Failed(why()),
            (Phase::Backoff, _) => State::Unwell(format!("it ended by itself: {}", why())),
            (Phase::Running, Some(false)) => State::Unwell(why()),
            (Phase::Running | Phase::Completed, _) => State::Well,
            // Somebody wants it so, or it is on its way.
            (Phase::Waiting | Phase::Starting | Phase::Stopping | Phase::Stopped, _) => return,
        };
        let well = || Known { told: State::Well, now: State::Well, ended: 0 };
        let known = self.services.entry(event.service.clone()).or_insert_with(well);
        known.ended += u32::from(event.state == Phase::Backoff);
        known.now = now;
    }

    /// The message for the room; none if there is nothing that it does not know.
    pub(crate) fn text(&self) -> Option<String> {
        let mut text = String::new();
        for (name, known) in &self.services {
            if known.told == known.now && known.ended == 0 {
                continue;
            }
            let times = match known.ended {
                0 | 1 => String::new(),
                times => format!(" ({times} times)"),
            };
            let line = match &known.now {
                State::Well if known.ended > 0 => {
                    writeln!(text, "{name} ended by itself{times} and is well again")
                }
                State::Well => writeln!(text, "{name} is well again"),
                State::Unwell(why) => writeln!(text, "{name} is not well: {why}{times}"),
                State::Failed(why) => {
                    writeln!(text, "{name} has failed: {why}{times}; `logs {name}` shows more")
                }
            };
            line.ok()?;
        }
        let news = self.backups.iter().filter(|(news, _)| !self.backups_told.contains_key(*news));
        for (_, trouble) in news {
            writeln!(text, "{trouble}").ok()?;
        }
        if self.backups.is_empty() && !self.backups_told.is_empty() {
            text.push_str("the backups are well again\n");
        }
        (!text.is_empty()).then(|| text.trim_end().to_owned())
    }

    fn is_mute(&self) -> bool {
        let homeserver = self.services.iter().find(|(name, _)| Kind::is_service(name));
        homeserver.is_some_and(|(_, known)| known.now != State::Well)
    }

    fn told(&mut self) {
        for known in self.services.values_mut() {
            known.told = known.now.clone();
            known.ended = 0;
        }
        self.backups_told = self.backups.clone();
    }

    fn read(data: &DataDir) -> Self {
        let text = files::read_if_exists(&file(data)).ok().flatten().unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn write(&self, data: &DataDir) -> Result<(), files::Error> {
        let text = serde_json::to_string(self).unwrap_or_default();
        files::write_atomically(&file(data), text.as_bytes(), files::PRIVATE)
    }

    /// The same message has the same id, so that being killed between sending and noting doubles none.
    fn transaction(&self) -> OwnedTransactionId {
        format!("alert-{}-{}-{}", self.supervisor, self.last, self.looks).into()
    }
}

fn file(data: &DataDir) -> std::path::PathBuf {
    data.run().join("alerts.json")
}

/// What is wrong with the backups; nothing where that cannot be said.
fn troubles(load: &impl Fn() -> Result<Config, Failure>) -> Vec<Trouble> {
    let Ok(config) = load() else { return Vec::new() };
    let record = Record::read(&config.data).unwrap_or_default();
    backups::look(&config, &record).map(|state| state.troubles).unwrap_or_default()
}

/// Listens to the supervisor, looks at the backups and tells the room, until the supervisor ends. `load` reads
/// the settings as they are now.
pub(crate) async fn run(
    config: &Config,
    load: impl Fn() -> Result<Config, Failure>,
) -> Result<(), Failure> {
    let Some(room) = &config.alerts.room else { return Ok(()) };
    let socket = config.data.control_socket();
    let now = loop {
        match control::status(&config.data).await? {
            Some(now) => break now,
            None => sleep(AGAIN).await,
        }
    };
    let mut digest = Digest::read(&config.data);
    if digest.supervisor != now.supervisor.started_at {
        digest = digest.begun(now.supervisor.started_at);
    }
    let Some(mut events) = Events::open(&socket, digest.last).await? else { return Ok(()) };
    let mut not_before = Instant::now();
    let when = |digest: &Digest, not_before: Instant| {
        let pause = if digest.is_mute() { MUTE } else { GATHER };
        digest.text().map(|_| not_before.max(Instant::now() + pause))
    };
    let mut tell_at = when(&digest, not_before);
    let mut look_at = Instant::now();
    loop {
        if Instant::now() >= look_at {
            look_at = Instant::now() + LOOK;
            if digest.look_at_backups(&troubles(&load)) {
                tell_at = when(&digest, not_before);
            }
        }
        let until = tell_at.map_or(look_at, |at| at.min(look_at));
        match timeout_at(until, events.next()).await {
            Ok(Ok(Some(event))) => {
                digest.look_at(&event);
                tell_at = when(&digest, not_before);
            }
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(error)) => return Err(error.into()),
            Err(_) if tell_at.is_none_or(|at| at > Instant::now()) => {}
            Err(_) => {
                let Some(text) = digest.text() else { continue };
                match tell(config, room, &text, digest.transaction()).await {
                    Ok(()) => {
                        digest.told();
                        digest.write(&config.data)?;
                        not_before = Instant::now() + config.alerts.interval.0;
                    }
                    Err(error) => {
                        let failure = Failure::from(error);
                        tracing::warn!("the room `{room}` could not be notified: {failure}");
                        not_before = Instant::now() + AGAIN;
                    }
                }
                tell_at = when(&digest, not_before);
            }
        }
    }
}

async fn tell(
    config: &Config,
    name: &str,
    text: &str,
    transaction: OwnedTransactionId,
) -> Result<(), matrix::Error> {
    let operator: Client = client::operator(&config.data, PATIENCE)?;
    // Also where the setting is the id of a room that was upgraded: nobody would miss the alerts.
    let room = room::latest(&operator, room::resolve(&operator, name).await?).await?;
    room::enter(&operator, &room).await?;
    message::require_way(&operator, &config.data, &room).await?;
    let content = message::text(text, Markup::Plain, true);
    message::send(&operator, &room, &content, &transaction).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: u64, service: &str, state: Phase, healthy: Option<bool>) -> ServiceEvent {
        ServiceEvent {
            number,
            at: String::new(),
            service: service.to_owned(),
            state,
            was: Phase::Stopped,
            healthy,
            pid: None,
            message: (state == Phase::Backoff).then(|| "exit code 1".to_owned()),
        }
    }

    #[test]
    fn a_start_in_good_order_is_no_news() {
        let mut digest = Digest::default();
        digest.look_at(&event(1, "synapse", Phase::Starting, None));
        digest.look_at(&event(2, "synapse", Phase::Running, Some(true)));
        assert_eq!(digest.text(), None);
    }

    #[test]
    fn what_is_wrong_with_the_backups_is_told_once_also_after_a_restart_and_that_it_is_over() {
        let mut digest = Digest::default();
        let failed = |day: &str| {
            let news = format!("failed {day}");
            vec![Trouble { news, what: "it failed".into(), remedy: "`manage backup`".into() }]
        };
        assert!(digest.look_at_backups(&failed("21")));
        assert_eq!(digest.text().unwrap(), "it failed: `manage backup`");
        let first = digest.transaction();
        digest.told();
        assert!(!digest.look_at_backups(&failed("21")));
        let mut digest = digest.begun("another".into());
        assert_eq!(digest.text(), None);
        assert!(digest.look_at_backups(&failed("22")) && digest.text().is_some());
        assert_ne!(digest.transaction(), first);
        digest.told();
        assert!(digest.look_at_backups(&[]));
        assert_eq!(digest.text().unwrap(), "the backups are well again");
    }

    #[test]
    fn a_hundred_deaths_are_one_message_and_then_silence() {
        let mut digest = Digest::default();
        for number in 0..100 {
            digest.look_at(&event(2 * number, "synapse", Phase::Backoff, None));
            digest.look_at(&event(2 * number + 1, "synapse", Phase::Running, Some(true)));
        }
        let text = digest.text().unwrap();
        assert_eq!(text, "synapse ended by itself (100 times) and is well again");
        digest.told();
        assert_eq!(digest.text(), None);
    }

    #[test]
    fn what_is_wrong_is_said_once_and_that_it_is_over_too() {
        let mut digest = Digest::default();
        digest.look_at(&event(1, "postgres", Phase::Running, Some(false)));
        assert_eq!(digest.text().unwrap(), "postgres is not well: no word why");
        digest.told();
        digest.look_at(&event(2, "postgres", Phase::Running, Some(false)));
        assert_eq!(digest.text(), None);
        digest.look_at(&event(3, "postgres", Phase::Running, Some(true)));
        assert_eq!(digest.text().unwrap(), "postgres is well again");
    }
}
