//! What happens to the services, one line each, numbered: found by comparing one snapshot with the
//! next, remembered for a while, so that whoever listens misses nothing and floods nobody.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{
    record::{Report, Snapshot},
    state::Phase,
};

/// How many are remembered.
const REMEMBERED: usize = 1000;

/// One change of one service. Times are RFC 3339.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema, Deserialize)]
pub(crate) struct ServiceEvent {
    /// Counted from 1 by each supervisor.
    pub(crate) number: u64,
    pub(crate) at: String,
    pub(crate) service: String,
    pub(crate) state: Phase,
    pub(crate) was: Phase,
    /// Whether its last answer was good; none while it is not asked.
    pub(crate) healthy: Option<bool>,
    pub(crate) pid: Option<u32>,
    /// What is wrong with it, or how it ended.
    pub(crate) message: Option<String>,
}

/// The last of them, and the number of the last one of all, to wait for.
#[derive(Clone, Debug)]
pub(crate) struct Recent {
    kept: Arc<Mutex<VecDeque<ServiceEvent>>>,
    last: Arc<watch::Sender<u64>>,
}

impl Default for Recent {
    fn default() -> Self {
        Self { kept: Arc::default(), last: Arc::new(watch::Sender::new(0)) }
    }
}

impl Recent {
    pub(crate) fn add(&self, events: impl IntoIterator<Item = ServiceEvent>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut number = *self.last.borrow();
        for mut event in events {
            number += 1;
            event.number = number;
            kept.push_back(event);
        }
        while kept.len() > REMEMBERED {
            kept.pop_front();
        }
        drop(kept);
        self.last.send_if_modified(|last| std::mem::replace(last, number) != number);
    }

    /// The number of the last one.
    pub(crate) fn last(&self) -> u64 {
        *self.last.borrow()
    }

    pub(crate) fn after(&self, number: u64) -> Vec<ServiceEvent> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().filter(|event| event.number > number).cloned().collect()
    }

    /// Returns when there is one after that number.
    pub(crate) async fn more(&self, number: u64) {
        // The sender lives as long as we do.
        drop(self.last.subscribe().wait_for(|last| *last > number).await);
    }
}

/// What has changed from one moment to the next.
pub(crate) fn between(old: &Snapshot, new: &Snapshot, at: &str) -> Vec<ServiceEvent> {
    let event = |name: &String| {
        let now = new.services.get(name)?;
        let before = old.services.get(name);
        let healthy = |health: &Option<super::record::Health>| health.as_ref().map(|it| it.healthy);
        let was = before.map_or(Phase::Stopped, |report| report.state);
        let was_healthy = before.and_then(|report| healthy(&report.health));
        let is_healthy = healthy(&now.health);
        // That it is asked from now on, and well, is what `running` says already.
        let turned = is_healthy.unwrap_or(true) != was_healthy.unwrap_or(true);
        let again = before.is_some_and(|report| report.runs != now.runs && was == now.state);
        if was == now.state && !again && !(turned && now.state == Phase::Running) {
            return None;
        }
        let ill = now.health.as_ref().and_then(|health| health.message.clone());
        let ended = matches!(now.state, Phase::Backoff | Phase::Failed | Phase::Stopped);
        let exit = now.last_exit.as_ref().filter(|_| ended).map(|ended| ended.exit.to_string());
        Some(ServiceEvent {
            number: 0,
            at: at.to_owned(),
            service: name.clone(),
            state: now.state,
            was,
            healthy: is_healthy,
            pid: now.pid,
            message: ill.or(exit),
        })
    };
    // One that is not among the services any more was shown until it was down: that is its end.
    let gone = |(name, was): (&String, &Report)| {
        let is_gone = !new.services.contains_key(name) && was.state != Phase::Stopped;
        is_gone.then(|| ServiceEvent {
            number: 0,
            at: at.to_owned(),
            service: name.clone(),
            state: Phase::Stopped,
            was: was.state,
            healthy: None,
            pid: None,
            message: None,
        })
    };
    let gone = old.services.iter().filter_map(gone);
    let mut happened: Vec<ServiceEvent> = gone.chain(new.order.iter().filter_map(event)).collect();
    // Of what happens at once, the end of one is why another goes on.
    happened.sort_by_key(|event| event.state.has_process());
    happened
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::record::{Health, sample};

    #[test]
    fn what_changed_is_said_once() {
        let mut old = sample(&["db", "main"]);
        let mut new = old.clone();
        assert_eq!(between(&old, &new, "now"), []);
        let health = |healthy| {
            Some(Health { healthy, last_check: "12:00".to_owned(), endpoint: None, message: None })
        };
        old.services.get_mut("db").unwrap().health = health(true);
        new.services.get_mut("db").unwrap().health = health(false);
        new.services.get_mut("main").unwrap().state = Phase::Backoff;
        let said = between(&old, &new, "now");
        let said: Vec<_> = said.iter().map(|it| (&*it.service, it.state, it.healthy)).collect();
        assert_eq!(said, [("main", Phase::Backoff, None), ("db", Phase::Running, Some(false))]);
    }

    #[test]
    fn one_that_is_taken_away_ends_as_stopped() {
        let mut old = sample(&["db", "hooks"]);
        let mut new = sample(&["db"]);
        old.services.get_mut("hooks").unwrap().state = Phase::Stopping;
        new.services.get_mut("db").unwrap().state = old.services["db"].state;
        let said = between(&old, &new, "now");
        let said: Vec<_> = said.iter().map(|it| (&*it.service, it.was, it.state)).collect();
        assert_eq!(said, [("hooks", Phase::Stopping, Phase::Stopped)]);
        old.services.get_mut("hooks").unwrap().state = Phase::Stopped;
        assert_eq!(between(&old, &new, "now"), []);
    }

    #[tokio::test]
    async fn whoever_listens_gets_each_one_in_order_from_where_it_was() {
        let recent = Recent::default();
        let mut new = sample(&["db"]);
        let old = new.clone();
        new.services.get_mut("db").unwrap().state = Phase::Failed;
        recent.add(between(&old, &new, "1"));
        recent.add(between(&new, &old, "2"));
        recent.more(1).await;
        let numbers = |after| recent.after(after).iter().map(|it| it.number).collect::<Vec<_>>();
        assert_eq!(numbers(0), [1, 2]);
        assert_eq!(numbers(1), [2]);
        for _ in 0..REMEMBERED {
            recent.add(between(&old, &new, "3"));
        }
        assert_eq!(recent.after(0).len(), REMEMBERED);
    }
}
