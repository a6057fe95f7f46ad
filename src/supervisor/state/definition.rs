//! Which services there are, and who needs whom.

use std::collections::BTreeSet;

use super::{Action, Phase, State, Unit};
use crate::supervisor::service::{Change, Service};

impl State {
    /// From now on the services are these, in the order in which they start. Those that are gone are
    /// not to run any more, those that are new are where all may be restarted, and the others are
    /// restarted or read their files again as far as what has changed asks for it. One that must not be
    /// restarted stays as it is with all that is known of it.
    pub(super) fn define(
        &mut self,
        services: Vec<Service>,
        restarts: Option<&[String]>,
        actions: &mut Vec<Action>,
    ) {
        let start_new = restarts.is_none();
        let mut order = Vec::with_capacity(services.len());
        for service in services {
            let found = self.units.iter().position(|unit| unit.service.name == service.name);
            let Some(i) = found else {
                let i = self.units.len();
                order.push(i);
                actions.push(Action::Define(i));
                let wanted = start_new && !service.goes();
                self.units.push(Unit::new(service, wanted));
                continue;
            };
            order.push(i);
            let unit = &mut self.units[i];
            let stays_now = unit.service.goes() && !service.goes();
            unit.wanted |= start_new && (stays_now || !self.order.contains(&i));
            unit.wanted &= !service.goes();
            if unit.service == service {
                continue;
            }
            let runs = unit.phase.has_process() && unit.phase != Phase::Stopping;
            let change = unit.service.change_to(&service);
            // Nobody misses one that only starts others.
            let may = service.starter.is_some()
                || restarts.is_none_or(|names| names.contains(&service.name));
            if runs && change == Change::Restart && !may {
                continue;
            }
            actions.push(Action::Define(i));
            if runs {
                match change {
                    Change::Nothing => {}
                    Change::Reload(signal) => actions.push(Action::Signal(i, signal)),
                    Change::Restart => unit.restart(),
                }
            }
            unit.service = service;
        }
        self.order = order;
        self.link();
        for i in 0..self.units.len() {
            self.units[i].wanted &= self.order.contains(&i);
        }
        self.want_needs();
    }

    /// Looks up who needs whom. What one that is gone needed is remembered until it is down.
    pub(super) fn link(&mut self) {
        for i in &self.order {
            let needs = self.units[*i].service.needs.iter().filter_map(|need| {
                let is_it = |other: &&usize| self.units[**other].service.name == need.service;
                Some((*self.order.iter().find(is_it)?, need.condition))
            });
            let needs = needs.collect();
            let unit = &mut self.units[*i];
            let before = std::mem::replace(&mut unit.needs, needs);
            // An old process that is about to go leaves before what it needed itself.
            if unit.phase == Phase::Stopping || unit.awaits_restart {
                unit.needed.extend(before.into_iter().map(|(need, _)| need));
            } else {
                unit.needed.clear();
            }
        }
        for i in 0..self.units.len() {
            let through = self.units[i].service.launch.through.as_ref();
            let starter = through.and_then(|through| self.find(&through.service));
            self.units[i].through = starter;
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
    pub(super) fn want_needs(&mut self) {
        for i in 0..self.units.len() {
            if self.units[i].wanted {
                for need in self.all_needs[i].clone() {
                    self.units[need].wanted = self.order.contains(&need);
                }
            }
        }
    }
}
