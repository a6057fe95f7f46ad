//! One service as far as decisions need it: where it stands, how it is ended, and what follows when it
//! has ended.

use std::{
    collections::{BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::Action;
use crate::{
    clock::Backoff,
    supervisor::service::{Condition, Restart, Service, Signal},
};

/// The pauses before another try.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
/// Tries after the first for a service that never became ready: it is more likely broken than unlucky.
const TRIES_BEFORE_READY: u32 = 2;
/// How long one that starts others may take until it can.
const STARTER_READY: Duration = Duration::from_secs(30);
/// How long the kernel gets to end a killed group before it is killed again.
const AFTER_KILL: Duration = Duration::from_secs(5);

/// How a process ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Exit {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    /// Why it could not even be started.
    pub(crate) reason: Option<String>,
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self { reason: Some(reason), .. } => f.write_str(reason),
            Self { signal: Some(signal), .. } => match Signal::from_named_raw(*signal) {
                Some(signal) => write!(f, "killed by {}", name_of(signal)),
                None => write!(f, "killed by signal {signal}"),
            },
            Self { code, .. } => write!(f, "exit code {}", code.unwrap_or_default()),
        }
    }
}

/// `SIGKILL`
pub(crate) fn name_of(signal: Signal) -> String {
    format!("{signal:?}").trim_matches('"').replace("Signal::", "SIG")
}

/// Where a service stands. The words are part of `state.json` and of the control socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    /// What it needs is not there yet.
    Waiting,
    /// Its process runs and is not ready.
    Starting,
    Running,
    /// It ran once, as it should.
    Completed,
    /// It ended by itself and is started again after a pause. Earlier versions wrote `resting`.
    #[serde(alias = "resting")]
    Backoff,
    Stopping,
    Stopped,
    /// It ended too often.
    Failed,
}

impl Phase {
    pub(crate) fn has_process(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Stopping)
    }

    pub(crate) fn has_failed(self) -> bool {
        self == Self::Failed
    }

    /// Whether there is nothing left to wait for.
    pub(crate) fn is_ready(self) -> bool {
        matches!(self, Self::Running | Self::Completed)
    }
}

/// Why a process is being stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopReason {
    /// It is not to run any more, or to run anew: it starts again as soon as it is to run.
    Requested,
    /// It did not answer any more: its end counts as one by itself.
    Hung,
}

/// One service as far as decisions need it.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) service: Service,
    pub(super) needs: Vec<(usize, Condition)>,
    /// Who starts it in our place, where that can be.
    pub(crate) through: Option<usize>,
    /// What its process needed when that was another service than the one it is now.
    pub(super) needed: BTreeSet<usize>,
    /// It is to run, as long as everything is.
    pub(crate) wanted: bool,
    /// It goes on until who starts the next process is ready to, and is restarted then.
    pub(crate) awaits_restart: bool,
    pub(crate) phase: Phase,
    /// How many times it was started.
    pub(crate) run: u32,
    /// How many times it was started again because it had ended by itself.
    pub(crate) restarts: u32,
    pub(crate) last_exit: Option<Exit>,
    deaths: VecDeque<Instant>,
    pub(super) was_ready: bool,
    stop_reason: StopReason,
    /// The next stop signal to send.
    pub(super) signals_sent: usize,
    /// When its pause or its current stop signal is over.
    pub(super) until: Option<Instant>,
    /// When it is killed at the latest, where all have to end by some time.
    pub(super) by: Option<Instant>,
}

impl Unit {
    pub(super) fn new(service: Service, wanted: bool) -> Self {
        Self {
            service,
            needs: Vec::new(),
            through: None,
            needed: BTreeSet::new(),
            wanted,
            awaits_restart: false,
            phase: Phase::Stopped,
            run: 0,
            restarts: 0,
            last_exit: None,
            deaths: VecDeque::new(),
            was_ready: false,
            stop_reason: StopReason::Requested,
            signals_sent: 0,
            until: None,
            by: None,
        }
    }

    /// Forgets what went wrong and waits for its start.
    pub(super) fn renew(&mut self) {
        self.forgive();
        self.phase = Phase::Waiting;
        self.until = None;
    }

    pub(super) fn forgive(&mut self) {
        self.deaths.clear();
        self.was_ready = false;
    }

    pub(super) fn begin_start(&mut self, now: Instant) {
        self.phase = Phase::Starting;
        self.run += 1;
        // Others wait for one that starts them, so it has to come to an end.
        self.until = self.service.starter.map(|_| now + STARTER_READY);
    }

    /// Whether it can start others, or not for now: there is nothing to wait for.
    pub(super) fn is_settled(&self) -> bool {
        match self.phase {
            Phase::Stopped | Phase::Waiting | Phase::Starting => false,
            // One that did not answer is not waited for again.
            Phase::Stopping => self.stop_reason == StopReason::Hung,
            Phase::Running | Phase::Completed | Phase::Backoff | Phase::Failed => true,
        }
    }

    /// Whether others have waited long enough for it to be ready to start them.
    pub(super) fn takes_too_long(&self, now: Instant) -> bool {
        self.phase == Phase::Starting && self.until.is_some_and(|until| until <= now)
    }

    /// Whether its next process is only waited for, if it is to run at all.
    pub(super) fn is_to_be_started(&self) -> bool {
        use Phase::{Backoff, Stopped, Stopping, Waiting};
        self.awaits_restart || matches!(self.phase, Stopping | Stopped | Waiting | Backoff)
    }

    pub(super) fn begin_stop(&mut self, reason: StopReason) {
        self.phase = Phase::Stopping;
        self.awaits_restart = false;
        self.stop_reason = reason;
        self.signals_sent = 0;
        self.until = None;
        self.by = None;
    }

    /// What it waited for has come true.
    pub(super) fn ready(&mut self) {
        if self.phase == Phase::Starting {
            self.phase = Phase::Running;
            self.until = None;
            self.was_ready = true;
        }
    }

    pub(super) fn hung(&mut self) {
        if self.phase == Phase::Running {
            self.begin_stop(StopReason::Hung);
        }
    }

    /// Its process is to end and to be started again; one that has none is started.
    pub(super) fn restart(&mut self) {
        if self.runs() {
            self.forgive();
            self.awaits_restart = true;
        } else if self.phase != Phase::Stopping {
            self.renew();
        }
    }

    pub(super) fn reload(&self, service: usize) -> Option<Action> {
        let signal = self.service.reload.filter(|_| self.runs())?;
        Some(Action::Signal(service, signal))
    }

    fn runs(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Running)
    }

    /// It is being stopped, and has only until then.
    pub(super) fn hurry(&mut self, by: Option<Instant>) {
        self.by = by;
        self.until = self.until.map(|until| by.map_or(until, |by| until.min(by)));
    }

    pub(super) fn next_signal(&mut self, service: usize, now: Instant) -> Action {
        let left = self.by.map(|by| by.saturating_duration_since(now));
        if self.signals_sent > 0 && left.is_some_and(|left| left.is_zero()) {
            self.signals_sent = self.signals_sent.max(self.service.stop.len());
        }
        let is_last = self.signals_sent + 1 >= self.service.stop.len();
        let (action, patience) = match self.service.stop.get(self.signals_sent) {
            Some((signal, patience)) => {
                // The next one needs some time as well.
                let left = left.map(|left| if is_last { left } else { left * 2 / 3 });
                (Action::Signal(service, *signal), left.map_or(*patience, |l| l.min(*patience)))
            }
            None => (Action::KillGroup(service), AFTER_KILL),
        };
        self.signals_sent += 1;
        self.until = Some(now + patience);
        action
    }

    pub(super) fn exited(&mut self, exit: Exit, going_down: bool, now: Instant) {
        let succeeded = exit.code == Some(0);
        let was_stopping = self.phase == Phase::Stopping;
        self.awaits_restart = false;
        self.last_exit = Some(exit);
        self.until = None;
        match self.service.restart {
            _ if going_down => self.phase = Phase::Stopped,
            _ if was_stopping && self.stop_reason == StopReason::Requested => {
                self.phase = Phase::Waiting;
            }
            Restart::Never if succeeded => self.phase = Phase::Completed,
            Restart::Never => self.phase = Phase::Failed,
            Restart::OnFailure { .. } if succeeded && !was_stopping => {
                self.phase = Phase::Completed;
            }
            Restart::Always { budget, window } | Restart::OnFailure { budget, window } => {
                self.deaths.retain(|death| now.duration_since(*death) < window);
                self.deaths.push_back(now);
                let deaths = u32::try_from(self.deaths.len()).unwrap_or(u32::MAX);
                let budget = if self.was_ready { budget } else { budget.min(TRIES_BEFORE_READY) };
                if deaths > budget {
                    self.phase = Phase::Failed;
                } else {
                    self.phase = Phase::Backoff;
                    self.restarts += 1;
                    self.until = Some(now + BACKOFF.nth(deaths.saturating_sub(1)));
                }
            }
        }
    }
}
