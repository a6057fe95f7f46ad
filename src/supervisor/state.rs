//! What to do next, decided without touching anything: events in, actions out, a line a rule.

use std::{
    collections::{BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::service::{Change, Condition, Restart, Service, Signal};

/// The longest pause before another try.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Tries after the first for a service that never became ready: it is more likely broken than unlucky.
const TRIES_BEFORE_READY: u32 = 2;
/// How long the kernel gets to end a killed group before it is killed again.
const AFTER_KILL: Duration = Duration::from_secs(5);
/// What a stop with a deadline keeps back for the services that end later, if it has that much: a
/// database writes down what it has in memory.
const KEPT_BACK: Duration = Duration::from_secs(3);
/// The least time between the first signal and being killed, even when a deadline is over.
const LEAST_GRACE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// These are to run with all they need; without names, all.
    Start(Vec<usize>),
    /// A process ended. `run` says which one it was, so that late news of an older one are ignored.
    Exited {
        service: usize,
        run: u32,
        exit: Exit,
    },
    Ready {
        service: usize,
        run: u32,
    },
    /// It answers so badly that it is to be restarted.
    Hung {
        service: usize,
        run: u32,
    },
    /// These are to be down, after all that need them.
    Down {
        services: Vec<usize>,
        by: Option<Instant>,
    },
    /// Everything is to end, and we with it: by `by` at the latest, or at once.
    Stop {
        force: bool,
        by: Option<Instant>,
    },
    /// One is to be restarted, or all.
    Restart(Option<usize>),
    /// Time has passed: see [`State::deadline`].
    Tick,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Spawn(usize),
    /// To the process itself.
    Signal(usize, Signal),
    /// What is left of its group.
    KillGroup(usize),
    /// All are down, as it was asked for.
    Finish,
}

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    /// What it needs is not there yet.
    Waiting,
    /// Its process runs and is not ready.
    Starting,
    Running,
    /// It ran once, as it should.
    Completed,
    /// It ended by itself and is tried again after a pause.
    Resting,
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

/// What follows when a process that is being stopped has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Start,
    CountAsDeath,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    Up,
    Down,
    DownAndUp,
}

/// One service as far as decisions need it.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) service: Service,
    needs: Vec<(usize, Condition)>,
    /// It is to run, as long as everything is.
    pub(crate) wanted: bool,
    pub(crate) phase: Phase,
    /// How many times it was started.
    pub(crate) run: u32,
    /// How many times it was started again because it had ended by itself.
    pub(crate) restarts: u32,
    pub(crate) last_exit: Option<Exit>,
    deaths: VecDeque<Instant>,
    was_ready: bool,
    then: Then,
    /// The next stop signal to send.
    signals_sent: usize,
    /// When its pause or its current stop signal is over.
    until: Option<Instant>,
    /// When it is killed at the latest, where all have to end by some time.
    by: Option<Instant>,
}

#[derive(Debug)]
pub(crate) struct State {
    /// A service keeps its place for ever, so that late news find it; one that is not in `order` any
    /// more is taken down and then forgotten.
    pub(crate) units: Vec<Unit>,
    /// The services there are, in the order in which they start.
    pub(crate) order: Vec<usize>,
    /// For each service all that it needs, and what these need.
    all_needs: Vec<BTreeSet<usize>>,
    goal: Goal,
    /// When all have to be down.
    by: Option<Instant>,
    /// All are to be killed now.
    killing: bool,
}

impl State {
    /// Services in the order in which they start; none is to run yet.
    pub(crate) fn new(services: Vec<Service>) -> Self {
        let mut state = Self {
            units: Vec::new(),
            order: Vec::new(),
            all_needs: Vec::new(),
            goal: Goal::Up,
            by: None,
            killing: false,
        };
        state.set(services, false);
        state
    }

    /// From now on the services are these, in the order in which they start. Those that are new are to
    /// run, those that are gone are not, and the others are restarted or read their files again as far
    /// as what has changed asks for it. The next step does the rest.
    pub(crate) fn replace(&mut self, services: Vec<Service>) -> Vec<Action> {
        self.set(services, true)
    }

    /// The same, but those that are new wait until they are asked for.
    pub(crate) fn define(&mut self, services: Vec<Service>) -> Vec<Action> {
        self.set(services, false)
    }

    fn set(&mut self, services: Vec<Service>, wanted: bool) -> Vec<Action> {
        let mut actions = Vec::new();
        let mut order = Vec::with_capacity(services.len());
        for service in services {
            let found = self.units.iter().position(|unit| unit.service.name == service.name);
            let Some(i) = found else {
                order.push(self.units.len());
                self.units.push(Unit { wanted, ..Unit::new(service) });
                continue;
            };
            let unit = &mut self.units[i];
            if unit.phase.has_process() && unit.phase != Phase::Stopping {
                match unit.service.change_to(&service) {
                    Change::Nothing => {}
                    Change::Reload(signal) => actions.push(Action::Signal(i, signal)),
                    Change::Restart => {
                        unit.forgive();
                        unit.begin_stop(Then::Start);
                    }
                }
            }
            unit.wanted |= wanted && !self.order.contains(&i);
            unit.service = service;
            order.push(i);
        }
        self.order = order;
        self.link();
        for i in 0..self.units.len() {
            self.units[i].wanted &= self.order.contains(&i);
        }
        self.want_needs();
        actions
    }

    /// Looks up who needs whom. What one that is gone needed is remembered until it is down.
    fn link(&mut self) {
        for i in &self.order {
            let needs = self.units[*i].service.needs.iter().filter_map(|need| {
                let is_it = |other: &&usize| self.units[**other].service.name == need.service;
                Some((*self.order.iter().find(is_it)?, need.condition))
            });
            self.units[*i].needs = needs.collect();
        }
        self.all_needs.resize(self.units.len(), BTreeSet::new());
        for i in &self.order {
            let mut needs = BTreeSet::new();
            for (need, _) in &self.units[*i].needs {
                needs.insert(*need);
                // They come earlier in the order, so theirs are known.
                needs.extend(self.all_needs.get(*need).into_iter().flatten());
            }
            // A process that is still the old one leaves before what it needed.
            if self.units[*i].phase.has_process() {
                needs.append(&mut self.all_needs[*i]);
            }
            self.all_needs[*i] = needs;
        }
    }

    /// What is to run needs all it needs.
    fn want_needs(&mut self) {
        for i in 0..self.units.len() {
            if self.units[i].wanted {
                for need in self.all_needs[i].clone() {
                    self.units[need].wanted = self.order.contains(&need);
                }
            }
        }
    }

    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.order.iter().copied().find(|i| self.units[*i].service.name == name)
    }

    /// When to call [`State::step`] with [`Event::Tick`], if nothing happens before.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.units.iter().filter_map(|unit| unit.until).min()
    }

    /// Whether everything runs that is to run, and nothing else.
    pub(crate) fn is_ready(&self) -> bool {
        let right = |unit: &Unit| {
            if unit.wanted { unit.phase.is_ready() } else { unit.phase == Phase::Stopped }
        };
        let any = self.units.iter().any(|unit| unit.wanted);
        self.goal == Goal::Up && any && self.units.iter().all(right)
    }

    fn is_to_run(&self, service: usize) -> bool {
        self.goal == Goal::Up && self.units[service].wanted
    }

    pub(crate) fn step(&mut self, event: Event, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Start(services) => {
                let all = services.is_empty();
                for i in if all { self.order.clone() } else { services } {
                    self.units[i].wanted = true;
                }
                self.want_needs();
                let ended = [Phase::Failed, Phase::Resting];
                let again = self.units.iter_mut().filter(|unit| unit.wanted);
                again.filter(|unit| ended.contains(&unit.phase)).for_each(Unit::renew);
            }
            Event::Down { services, by } => {
                for (i, unit) in self.units.iter_mut().enumerate() {
                    if services.iter().any(|it| *it == i || self.all_needs[i].contains(it)) {
                        unit.wanted = false;
                    }
                }
                self.by = by;
            }
            Event::Exited { service, run, exit } if self.is_current(service, run) => {
                actions.push(Action::KillGroup(service));
                let going_down = !self.is_to_run(service);
                self.units[service].exited(exit, going_down, now);
            }
            Event::Ready { service, run } if self.is_current(service, run) => {
                let unit = &mut self.units[service];
                if unit.phase == Phase::Starting {
                    unit.phase = Phase::Running;
                    unit.was_ready = true;
                }
            }
            Event::Hung { service, run } if self.is_current(service, run) => {
                let unit = &mut self.units[service];
                if unit.phase == Phase::Running {
                    unit.begin_stop(Then::CountAsDeath);
                }
            }
            Event::Exited { .. } | Event::Ready { .. } | Event::Hung { .. } => {}
            Event::Stop { force, by } => {
                self.goal = Goal::Down;
                self.killing = force;
                // A second request may shorten the time, never lengthen it.
                self.by = self.by.into_iter().chain(by).min();
                for i in 0..self.units.len() {
                    if self.units[i].phase == Phase::Stopping {
                        let by = self.last_moment(i, now);
                        self.units[i].hurry(by);
                    }
                }
            }
            Event::Restart(None) if self.goal != Goal::Down => self.goal = Goal::DownAndUp,
            Event::Restart(Some(service)) if self.goal == Goal::Up => {
                self.units[service].wanted = true;
                self.want_needs();
                let unit = &mut self.units[service];
                if matches!(unit.phase, Phase::Starting | Phase::Running) {
                    unit.forgive();
                    unit.begin_stop(Then::Start);
                } else if unit.phase != Phase::Stopping {
                    unit.renew();
                }
            }
            Event::Restart(_) | Event::Tick => {}
        }
        self.advance(now, &mut actions);
        actions
    }

    fn is_current(&self, service: usize, run: u32) -> bool {
        self.units.get(service).is_some_and(|u| u.run == run && u.phase.has_process())
    }

    /// Does what can be done now.
    fn advance(&mut self, now: Instant, actions: &mut Vec<Action>) {
        self.go_down(now);
        let down = |unit: &Unit| !unit.phase.has_process();
        if self.goal == Goal::Up {
            if self.units.iter().all(|unit| unit.wanted || down(unit)) {
                self.by = None;
            }
        } else if self.units.iter().all(down) {
            self.by = None;
            if self.goal == Goal::Down {
                actions.push(Action::Finish);
            } else {
                self.goal = Goal::Up;
                self.units.iter_mut().for_each(Unit::forgive);
            }
        }
        for i in 0..self.units.len() {
            let to_run = self.is_to_run(i);
            if to_run && self.units[i].phase == Phase::Stopped {
                self.units[i].renew();
            }
            let met = to_run && self.needs_are_met(i);
            let unit = &mut self.units[i];
            if unit.phase == Phase::Resting && unit.until.is_some_and(|until| until <= now) {
                unit.phase = Phase::Waiting;
                unit.until = None;
            }
            if unit.phase == Phase::Waiting && met {
                unit.phase = Phase::Starting;
                unit.run += 1;
                actions.push(Action::Spawn(i));
            }
            if unit.phase == Phase::Stopping && unit.until.is_none_or(|until| until <= now) {
                actions.push(unit.next_signal(i, now));
            }
        }
    }

    fn needs_are_met(&self, service: usize) -> bool {
        self.units[service].needs.iter().all(|(need, condition)| {
            let phase = self.units[*need].phase;
            match condition {
                Condition::Started => {
                    matches!(phase, Phase::Starting | Phase::Running | Phase::Completed)
                }
                Condition::Healthy => phase == Phase::Running,
                Condition::Completed => phase == Phase::Completed,
            }
        })
    }

    /// Stops what is not to run as soon as nothing that still runs needs it.
    fn go_down(&mut self, now: Instant) {
        let killing = std::mem::take(&mut self.killing);
        for i in (0..self.units.len()).rev().filter(|i| !self.is_to_run(*i)).collect::<Vec<_>>() {
            let mut others = self.units.iter().zip(&self.all_needs);
            let needed = others.any(|(unit, needs)| unit.phase.has_process() && needs.contains(&i));
            let by = self.last_moment(i, now);
            let unit = &mut self.units[i];
            match unit.phase {
                Phase::Starting | Phase::Running if killing || !needed => {
                    unit.begin_stop(Then::Start);
                    unit.by = by;
                }
                Phase::Waiting | Phase::Resting | Phase::Completed | Phase::Failed => {
                    unit.phase = Phase::Stopped;
                    unit.until = None;
                }
                _ => {}
            }
            if killing
                && unit.phase == Phase::Stopping
                && unit.signals_sent <= unit.service.stop.len()
            {
                unit.signals_sent = unit.service.stop.len();
                unit.until = None;
            }
        }
    }

    /// When a service that is told to end now is killed, so that those it needs, which end after it,
    /// have some of the time that all have together.
    fn last_moment(&self, service: usize, now: Instant) -> Option<Instant> {
        let left = self.by?.saturating_duration_since(now);
        let is_last = !self.all_needs[service].iter().any(|i| self.units[*i].phase.has_process());
        let kept = if is_last { Duration::ZERO } else { (left / 3).max(KEPT_BACK).min(left / 2) };
        Some(now + left.saturating_sub(kept).max(LEAST_GRACE))
    }
}

impl Unit {
    fn new(service: Service) -> Self {
        Self {
            service,
            needs: Vec::new(),
            wanted: true,
            phase: Phase::Stopped,
            run: 0,
            restarts: 0,
            last_exit: None,
            deaths: VecDeque::new(),
            was_ready: false,
            then: Then::Start,
            signals_sent: 0,
            until: None,
            by: None,
        }
    }

    /// Forgets what went wrong and waits for its start.
    fn renew(&mut self) {
        self.forgive();
        self.phase = Phase::Waiting;
        self.until = None;
    }

    fn forgive(&mut self) {
        self.deaths.clear();
        self.was_ready = false;
    }

    fn begin_stop(&mut self, then: Then) {
        self.phase = Phase::Stopping;
        self.then = then;
        self.signals_sent = 0;
        self.until = None;
        self.by = None;
    }

    /// It is being stopped, and has only until then.
    fn hurry(&mut self, by: Option<Instant>) {
        self.by = by;
        self.until = self.until.map(|until| by.map_or(until, |by| until.min(by)));
    }

    fn next_signal(&mut self, service: usize, now: Instant) -> Action {
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

    fn exited(&mut self, exit: Exit, going_down: bool, now: Instant) {
        let succeeded = exit.code == Some(0);
        let was_stopping = self.phase == Phase::Stopping;
        self.last_exit = Some(exit);
        self.until = None;
        match self.service.restart {
            _ if going_down => self.phase = Phase::Stopped,
            _ if was_stopping && self.then == Then::Start => self.phase = Phase::Waiting,
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
                    self.phase = Phase::Resting;
                    self.restarts += 1;
                    self.until = Some(now + pause(deaths));
                }
            }
        }
    }
}

/// 1, 2, 4, … seconds.
fn pause(deaths: u32) -> Duration {
    LONGEST_PAUSE.min(Duration::from_secs(1 << (deaths.saturating_sub(1)).min(16)))
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
