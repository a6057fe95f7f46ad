//! Services that are started through another one.

use super::*;
use crate::supervisor::service::{Starter, Through};

const FORKS: usize = 0;
const ONE: usize = 1;
const TWO: usize = 2;

fn world(starter: Starter) -> World {
    let mut forks = sample("forks", &[]);
    forks.starter = Some(starter);
    let through = |name| {
        let mut service = sample(name, &[]);
        let socket = "/run/forks.sock".into();
        service.launch.through = Some(Through { service: "forks".to_owned(), socket });
        service
    };
    World::of([forks, through("one"), through("two")])
}

/// Both run.
fn running(starter: Starter) -> World {
    let mut world = world(starter);
    world.step(Event::Start(Vec::new()));
    (0..3).for_each(|service| drop(world.ready(service)));
    if starter == Starter::Goes {
        world.exit(FORKS, 0);
    }
    assert!(world.state.is_ready());
    world
}

#[test]
fn they_wait_until_it_is_ready_and_then_come_from_it() {
    let mut world = world(Starter::Stays);
    assert_eq!(world.step(Event::Start(Vec::new())), [Action::Spawn(FORKS)]);
    assert_eq!(world.ready(FORKS), [Action::Fork(ONE, FORKS), Action::Fork(TWO, FORKS)]);
    (1..3).for_each(|service| drop(world.ready(service)));
    assert_eq!(world.state.deadline(), None);
    assert!(world.state.is_ready());
    assert_eq!(world.exit(ONE, 1), []);
    assert_eq!(world.wait(), (1, vec![Action::Fork(ONE, FORKS)]));
}

#[test]
fn one_that_goes_is_there_only_while_somebody_is_to_be_started() {
    let mut world = world(Starter::Goes);
    assert_eq!(world.step(Event::Start(vec![ONE])), [Action::Spawn(FORKS)]);
    let forked = world.ready(FORKS);
    assert_eq!(forked, [Action::Fork(ONE, FORKS), Action::Signal(FORKS, Signal::TERM)]);
    world.exit(FORKS, 0);
    world.ready(ONE);
    assert!(world.state.is_ready());
    assert_eq!(world.phase(FORKS), Phase::Stopped);
    // It is back before the pause is over.
    assert_eq!(world.exit(ONE, 1), [Action::Spawn(FORKS)]);
    world.ready(FORKS);
    let forked = [Action::Fork(ONE, FORKS), Action::Signal(FORKS, Signal::TERM)];
    assert_eq!(world.wait().1, forked);
}

#[test]
fn a_restart_waits_for_it_while_the_old_process_goes_on() {
    let mut world = running(Starter::Goes);
    assert_eq!(world.step(Event::Restart(Some(ONE))), [Action::Spawn(FORKS)]);
    assert_eq!(world.phase(ONE), Phase::Running);
    assert!(!world.state.is_ready(), "it is not done yet");
    assert_eq!(world.ready(FORKS), [Action::Signal(ONE, Signal::TERM)]);
    assert_eq!(world.exit(ONE, 0)[0], Action::Fork(ONE, FORKS));
    let mut world = running(Starter::Stays);
    assert_eq!(world.step(Event::Restart(Some(ONE))), [Action::Signal(ONE, Signal::TERM)]);
}

#[test]
fn whoever_needs_one_that_is_to_be_restarted_waits_for_its_next_process() {
    let mut world = running(Starter::Goes);
    let mut services = world.services();
    services[ONE].revision = "2".to_owned();
    services.push(sample("bridge", &["one"]));
    let restarts = vec!["one".to_owned()];
    world.step(Event::Define { services, restarts });
    assert_eq!(world.step(Event::Start(vec![3])), []);
    world.ready(FORKS);
    world.exit(ONE, 0);
    assert_eq!(world.ready(ONE), [Action::Spawn(3)]);
}

#[test]
fn it_stays_until_the_last_one_that_it_was_called_for_has_started() {
    let mut world = running(Starter::Goes);
    world.step(Event::Restart(Some(ONE)));
    world.step(Event::Restart(Some(TWO)));
    world.ready(FORKS);
    assert_eq!(world.exit(ONE, 0), [Action::Fork(ONE, FORKS)]);
    assert_eq!(world.step(Event::Tick), [], "the other one is still stopping");
    let last = [Action::Fork(TWO, FORKS), Action::Signal(FORKS, Signal::TERM)];
    assert_eq!(world.exit(TWO, 0), last);
}

#[test]
fn one_that_did_not_answer_is_not_waited_for_again() {
    let mut world = running(Starter::Stays);
    let run = world.state.units[FORKS].run;
    let hung = world.step(Event::Hung { service: FORKS, run });
    assert_eq!(hung, [Action::Signal(FORKS, Signal::TERM)]);
    world.step(Event::Restart(Some(ONE)));
    assert_eq!(world.exit(ONE, 0), [Action::Spawn(ONE)]);
}

#[test]
fn without_it_they_start_by_themselves() {
    let mut world = world(Starter::Stays);
    world.step(Event::Start(Vec::new()));
    assert_eq!(world.exit(FORKS, 1), [Action::Spawn(ONE), Action::Spawn(TWO)]);
    (1..3).for_each(|service| drop(world.ready(service)));
    assert!(world.state.is_ready(), "nobody misses it");
    (0..2).for_each(|_| {
        world.wait();
        world.exit(FORKS, 1);
    });
    assert_eq!(world.phase(FORKS), Phase::Failed);
    assert_eq!(world.step(Event::Restart(Some(ONE))), [Action::Signal(ONE, Signal::TERM)]);
    assert_eq!(world.exit(ONE, 0), [Action::Spawn(ONE)]);
    world.ready(ONE);
    assert!(world.state.is_ready());
    world.step(Event::Down { services: vec![FORKS], by: None });
    assert_eq!(
        world.step(Event::Restart(Some(TWO))),
        [Action::Spawn(FORKS)],
        "it gets another try"
    );
}

#[test]
fn one_that_is_never_ready_is_waited_for_half_a_minute() {
    let mut world = world(Starter::Stays);
    world.step(Event::Start(Vec::new()));
    let spawned = [Action::Spawn(ONE), Action::Spawn(TWO)];
    let actions = [&[Action::Signal(FORKS, Signal::TERM)], &spawned[..]].concat();
    assert_eq!(world.wait(), (30, actions));
}

#[test]
fn when_it_has_changed_it_is_started_anew_before_those_that_come_from_it() {
    let mut world = running(Starter::Stays);
    let mut services = world.services();
    for service in &mut services {
        service.revision = "2".to_owned();
    }
    let restarts = vec!["one".to_owned()];
    let actions = world.step(Event::Define { services, restarts });
    let defined = [FORKS, ONE].map(Action::Define);
    assert_eq!(actions, [&defined[..], &[Action::Signal(FORKS, Signal::TERM)]].concat());
    assert_eq!(world.exit(FORKS, 0), [Action::Spawn(FORKS)]);
    assert_eq!(world.phase(ONE), Phase::Running);
    assert_eq!(world.ready(FORKS), [Action::Signal(ONE, Signal::TERM)]);
    assert_eq!(world.phase(TWO), Phase::Running);
}

#[test]
fn one_that_is_to_stay_from_now_on_is_started() {
    let mut world = running(Starter::Goes);
    let mut services = world.services();
    services[FORKS].starter = Some(Starter::Stays);
    let actions = world.step(Event::Replace(services));
    assert_eq!(actions, [Action::Define(FORKS), Action::Spawn(FORKS)]);
    assert!(!world.state.units[FORKS].service.goes());
    world.ready(FORKS);
    assert_eq!(world.phase(FORKS), Phase::Running);
}

#[test]
fn it_goes_with_everything_and_is_there_for_nobody_who_is_not_wanted() {
    let mut world = running(Starter::Stays);
    let all = [TWO, ONE, FORKS].map(|service| Action::Signal(service, Signal::TERM));
    let mut stopped = world.step(Event::Stop { force: false, by: None });
    stopped.sort_by_key(|action| format!("{action:?}"));
    assert_eq!(stopped.len(), all.len());
    let mut world = running(Starter::Goes);
    world.step(Event::Down { services: vec![ONE], by: None });
    assert_eq!(world.exit(ONE, 0), []);
    assert_eq!(world.phase(FORKS), Phase::Stopped);
}
