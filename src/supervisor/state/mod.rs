//! What to do next, decided without touching anything: events in, actions out, a line a rule.

mod unit;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use unit::Then;
pub(crate) use unit::{Exit, Phase, Unit, name_of};

use super::service::{Change, Condition, Service, Signal};

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    Up,
    Down,
    DownAndUp,
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
                self.units.push(Unit::new(service, wanted));
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
            let needs = needs.collect();
            let unit = &mut self.units[*i];
            let before = std::mem::replace(&mut unit.needs, needs);
            // An old process that is about to go leaves before what it needed itself.
            if unit.phase == Phase::Stopping {
                unit.needed.extend(before.into_iter().map(|(need, _)| need));
            } else {
                unit.needed.clear();
            }
        }
        self.all_needs = (0..self.units.len()).map(|i| self.needs_of(i)).collect();
    }

    fn needs_of(&self, service: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut next = vec![service];
        while let Some(i) = next.pop() {
            let unit = &self.units[i];
            let all = unit.needs.iter().map(|(need, _)| *need).chain(unit.needed.iter().copied());
            next.extend(all.filter(|need| found.insert(*need)));
        }
        found.remove(&service);
        found
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
                // What only the old process needed may go.
                self.link();
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

#[cfg(test)]
mod tests;
