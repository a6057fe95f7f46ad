//! What to do next, decided without touching anything: events in, actions out, a line a rule.

mod definition;
mod unit;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use unit::StopReason;
pub(crate) use unit::{Exit, Phase, Unit, name_of};

use super::service::{Condition, Service, Signal};

/// What a stop with a deadline keeps back for the services that end later, if it has that much: a
/// database writes down what it has in memory.
const KEPT_BACK: Duration = Duration::from_secs(3);
/// The least time between the first signal and being killed, even when a deadline is over.
const LEAST_GRACE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The services are these from now on, in the order in which they start. Those that are new wait until
    /// they are asked for; of those that run and would have to be restarted only `restarts` are, and the
    /// others go on as they were.
    Define {
        services: Vec<Service>,
        restarts: Vec<String>,
    },
    /// The same, but those that are new are to run, and all that have changed are restarted.
    Replace(Vec<Service>),
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
    /// It is to read its files again; one that does not run reads them when it starts.
    Reload(usize),
    /// Time has passed: see [`State::deadline`].
    Tick,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// It is new, or something about it has changed.
    Define(usize),
    Spawn(usize),
    /// The same, through another service that is ready to do it.
    Fork(usize, usize),
    /// To the process itself.
    Signal(usize, Signal),
    /// What is left of its group.
    KillGroup(usize),
    /// All are down, as it was asked for.
    Finish,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Goal {
    #[default]
    Up,
    Down,
    DownAndUp,
}

/// What is known of all services; at first there are none.
#[derive(Debug, Default)]
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
        let right = |unit: &Unit| right(unit) && !unit.awaits_restart;
        // The others go on without one that only starts them.
        let mut units = self.units.iter().filter(|unit| unit.service.starter.is_none());
        let any = units.clone().any(|unit| unit.wanted);
        self.goal == Goal::Up && any && units.all(right)
    }

    fn is_to_run(&self, service: usize) -> bool {
        self.goal == Goal::Up && (self.units[service].wanted || self.is_called(service))
    }

    /// Whether another one is to be started through it.
    fn is_called(&self, service: usize) -> bool {
        let mut users = self.units.iter().filter(|unit| unit.through == Some(service));
        users.any(|unit| unit.wanted && unit.is_to_be_started())
    }

    /// Whether there is nothing to wait for before this one is started: who does that is ready, or is not
    /// there to.
    fn can_be_started(&self, service: usize) -> bool {
        self.units[service]
            .through
            .is_none_or(|starter| !self.is_to_run(starter) || self.units[starter].is_settled())
    }

    /// The rules: what an event changes, and what is to be done then.
    pub(crate) fn step(&mut self, event: Event, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Define { services, restarts } => {
                self.define(services, Some(&restarts), &mut actions);
            }
            Event::Replace(services) => self.define(services, None, &mut actions),
            Event::Start(services) => self.start(services),
            Event::Down { services, by } => self.take_down(&services, by),
            Event::Stop { force, by } => self.stop(force, by, now),
            Event::Restart(None) if self.goal != Goal::Down => self.goal = Goal::DownAndUp,
            Event::Restart(Some(service)) if self.goal == Goal::Up => self.restart(service),
            Event::Reload(service) => actions.extend(self.units[service].reload(service)),
            Event::Exited { service, run, exit } if self.is_current(service, run) => {
                actions.push(Action::KillGroup(service));
                self.exited(service, exit, now);
            }
            Event::Ready { service, run } if self.is_current(service, run) => {
                self.units[service].ready();
            }
            Event::Hung { service, run } if self.is_current(service, run) => {
                self.units[service].hung();
            }
            Event::Restart(_) | Event::Tick => {}
            // Of an older process.
            Event::Exited { .. } | Event::Ready { .. } | Event::Hung { .. } => {}
        }
        self.advance(now, &mut actions);
        actions
    }

    fn start(&mut self, services: Vec<usize>) {
        let all = services.is_empty();
        for i in if all { self.order.clone() } else { services } {
            self.units[i].wanted |= !(all && self.units[i].service.goes());
        }
        self.want_needs();
        let ended = [Phase::Failed, Phase::Backoff];
        let again = self.units.iter_mut().filter(|unit| unit.wanted);
        again.filter(|unit| ended.contains(&unit.phase)).for_each(Unit::renew);
    }

    fn take_down(&mut self, services: &[usize], by: Option<Instant>) {
        for (i, unit) in self.units.iter_mut().enumerate() {
            if services.iter().any(|it| *it == i || self.all_needs[i].contains(it)) {
                unit.wanted = false;
            }
        }
        self.by = by;
    }

    fn stop(&mut self, force: bool, by: Option<Instant>, now: Instant) {
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

    fn restart(&mut self, service: usize) {
        self.units[service].wanted = true;
        self.want_needs();
        self.units[service].restart();
    }

    fn exited(&mut self, service: usize, exit: Exit, now: Instant) {
        let going_down = !self.is_to_run(service);
        self.units[service].exited(exit, going_down, now);
        // What only the old process needed may go.
        self.link();
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
        let mut forked = false;
        let runs = |i: &usize| self.units[*i].phase == Phase::Running;
        let runs: Vec<usize> = (0..self.units.len()).filter(runs).collect();
        for i in 0..self.units.len() {
            let to_run = self.is_to_run(i);
            if to_run && self.units[i].phase == Phase::Stopped {
                self.units[i].renew();
            }
            let can_be_started = self.can_be_started(i);
            let met = to_run && can_be_started && self.needs_are_met(i);
            let unit = &mut self.units[i];
            if unit.phase == Phase::Backoff && unit.until.is_some_and(|until| until <= now) {
                unit.phase = Phase::Waiting;
                unit.until = None;
            }
            if unit.phase == Phase::Waiting && met {
                let starter = unit.through.filter(|starter| runs.contains(starter));
                unit.begin_start(now);
                forked |= starter.is_some();
                actions.push(match starter {
                    Some(starter) => Action::Fork(i, starter),
                    None => Action::Spawn(i),
                });
            }
            if unit.takes_too_long(now) {
                unit.begin_stop(StopReason::Hung);
            }
            if unit.awaits_restart && can_be_started {
                unit.begin_stop(StopReason::Requested);
            }
            if unit.phase == Phase::Stopping && unit.until.is_none_or(|until| until <= now) {
                actions.push(unit.next_signal(i, now));
            }
        }
        if forked {
            // Who has started the last one may go.
            self.advance(now, actions);
        }
    }

    fn needs_are_met(&self, service: usize) -> bool {
        self.units[service].needs.iter().all(|(need, condition)| {
            let Unit { phase, awaits_restart, .. } = self.units[*need];
            match condition {
                Condition::Started => {
                    matches!(phase, Phase::Starting | Phase::Running | Phase::Completed)
                }
                // Who is new is for the next process of it: this one may not know of that.
                Condition::Healthy => phase == Phase::Running && !awaits_restart,
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
                    unit.begin_stop(StopReason::Requested);
                    unit.by = by;
                }
                Phase::Waiting | Phase::Backoff | Phase::Completed | Phase::Failed => {
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

#[cfg(test)]
mod tests;
