//! The rules of `state`, each on a moment's notice: no process is started.

mod starter;

use super::{
    super::service::{Need, Restart, sample},
    *,
};

/// `db` <- `init` (runs once) <- `main` <- `proxy`, and a clock that is wound by hand.
struct World {
    state: State,
    now: Instant,
}

const DB: usize = 0;
const INIT: usize = 1;
const MAIN: usize = 2;
const PROXY: usize = 3;

impl World {
    fn new() -> Self {
        let mut init = sample("init", &["db"]);
        init.restart = Restart::Never;
        let mut main = sample("main", &["db"]);
        main.needs.push(Need::new("init", Condition::Completed));
        Self::of([sample("db", &[]), init, main, sample("proxy", &["main"])])
    }

    fn of(services: impl Into<Vec<Service>>) -> Self {
        let mut world = Self { state: State::default(), now: Instant::now() };
        let services = services.into();
        let defined: Vec<Action> = (0..services.len()).map(Action::Define).collect();
        assert_eq!(
            world.step(Event::Define { services, restarts: Vec::new() }),
            defined,
            "none is to run yet"
        );
        world
    }

    fn running() -> Self {
        let mut world = Self::new();
        world.step(Event::Start(Vec::new()));
        world.ready(DB);
        world.exit(INIT, 0);
        world.ready(MAIN);
        world.ready(PROXY);
        assert!(world.state.is_ready());
        world
    }

    fn services(&self) -> Vec<Service> {
        self.state.units.iter().map(|unit| unit.service.clone()).collect()
    }

    fn step(&mut self, event: Event) -> Vec<Action> {
        self.state.step(event, self.now)
    }

    fn ready(&mut self, service: usize) -> Vec<Action> {
        let run = self.state.units[service].run;
        self.step(Event::Ready { service, run })
    }

    fn exit(&mut self, service: usize, code: i32) -> Vec<Action> {
        let run = self.state.units[service].run;
        let exit = Exit { code: Some(code), ..Exit::default() };
        let mut actions = self.step(Event::Exited { service, run, exit });
        assert_eq!(actions.remove(0), Action::KillGroup(service));
        actions
    }

    /// Winds the clock to the next deadline; seconds passed, and what is done then.
    fn wait(&mut self) -> (u64, Vec<Action>) {
        let deadline = self.state.deadline().unwrap();
        let passed = deadline.duration_since(self.now).as_secs();
        self.now = deadline;
        (passed, self.step(Event::Tick))
    }

    fn phase(&self, service: usize) -> Phase {
        self.state.units[service].phase
    }
}

#[test]
fn services_start_when_what_they_need_is_there() {
    let mut world = World::new();
    assert_eq!(world.step(Event::Start(Vec::new())), [Action::Spawn(DB)]);
    assert_eq!(world.step(Event::Tick), []);
    assert_eq!(world.ready(DB), [Action::Spawn(INIT)]);
    assert_eq!(world.exit(INIT, 0), [Action::Spawn(MAIN)]);
    assert_eq!(world.ready(MAIN), [Action::Spawn(PROXY)]);
    assert!(!world.state.is_ready());
    world.ready(PROXY);
    assert!(world.state.is_ready());
    assert_eq!(world.state.deadline(), None, "nothing wakes an idle supervisor");
}

#[test]
fn a_failed_one_shot_stops_the_start_where_it_is() {
    let mut world = World::new();
    world.step(Event::Start(Vec::new()));
    world.ready(DB);
    assert_eq!(world.exit(INIT, 1), []);
    assert_eq!((world.phase(INIT), world.phase(MAIN)), (Phase::Failed, Phase::Waiting));
    assert_eq!(world.state.deadline(), None);
}

#[test]
fn a_service_that_dies_is_started_again_after_growing_pauses_until_its_budget_is_used_up() {
    let mut world = World::running();
    for (restart, pause) in [1, 2, 4, 8, 16].into_iter().enumerate() {
        assert_eq!(world.exit(MAIN, 1), []);
        assert_eq!(world.phase(MAIN), Phase::Backoff);
        assert_eq!(world.wait(), (pause, vec![Action::Spawn(MAIN)]));
        assert_eq!(world.state.units[MAIN].restarts as usize, restart + 1);
        world.ready(MAIN);
    }
    assert_eq!(world.exit(MAIN, 1), []);
    assert_eq!(world.phase(MAIN), Phase::Failed);
    assert_eq!(world.state.deadline(), None);
}

#[test]
fn deaths_long_ago_are_forgiven() {
    let mut world = World::running();
    for _ in 0..20 {
        world.exit(MAIN, 1);
        assert_eq!(world.wait().1, [Action::Spawn(MAIN)]);
        world.ready(MAIN);
        world.now += Duration::from_mins(10);
    }
    assert_eq!(world.phase(MAIN), Phase::Running);
}

#[test]
fn a_service_that_never_was_ready_is_given_up_sooner() {
    let mut world = World::new();
    world.step(Event::Start(Vec::new()));
    world.exit(DB, 1);
    world.wait();
    world.exit(DB, 1);
    world.wait();
    world.exit(DB, 1);
    assert_eq!(world.phase(DB), Phase::Failed);
    assert_eq!(world.state.units[DB].run, 3);
}

#[test]
fn a_database_that_dies_takes_nothing_with_it() {
    let mut world = World::running();
    assert_eq!(world.exit(DB, 9), []);
    assert_eq!((world.phase(MAIN), world.phase(PROXY)), (Phase::Running, Phase::Running));
    assert_eq!(world.wait(), (1, vec![Action::Spawn(DB)]));
    assert_eq!(world.ready(DB), []);
    assert!(world.state.is_ready());
}

#[test]
fn a_service_that_dies_without_its_database_waits_for_it_and_spends_nothing() {
    let mut world = World::running();
    world.exit(DB, 9);
    world.exit(MAIN, 9);
    assert_eq!(world.wait().1, [Action::Spawn(DB)]);
    assert_eq!(world.phase(MAIN), Phase::Waiting);
    assert_eq!(world.ready(DB), [Action::Spawn(MAIN)]);
}

#[test]
fn a_stop_goes_in_reverse_order_and_ends_when_all_are_down() {
    let mut world = World::running();
    let stop = Event::Stop { force: false, by: None };
    assert_eq!(world.step(stop), [Action::Signal(PROXY, Signal::TERM)]);
    assert_eq!(world.exit(PROXY, 0), [Action::Signal(MAIN, Signal::TERM)]);
    assert_eq!(world.exit(MAIN, 0), [Action::Signal(DB, Signal::TERM)]);
    assert_eq!(world.exit(DB, 0), [Action::Finish]);
    assert_eq!(world.phase(DB), Phase::Stopped);
}

#[test]
fn what_a_one_shot_needed_is_needed_by_those_that_needed_the_one_shot() {
    let mut init = sample("init", &["db"]);
    init.restart = Restart::Never;
    let mut main = sample("main", &[]);
    main.needs.push(Need::new("init", Condition::Completed));
    let mut world = World::of([sample("db", &[]), init, main]);
    world.step(Event::Start(Vec::new()));
    world.ready(DB);
    world.exit(INIT, 0);
    world.ready(MAIN);
    let stop = Event::Stop { force: false, by: None };
    assert_eq!(world.step(stop), [Action::Signal(MAIN, Signal::TERM)]);
    assert_eq!(world.exit(MAIN, 0), [Action::Signal(DB, Signal::TERM)]);
}

#[test]
fn a_service_that_does_not_stop_gets_its_next_signal_and_then_is_killed() {
    let mut world = World::running();
    world.step(Event::Stop { force: false, by: None });
    assert_eq!(world.wait(), (30, vec![Action::Signal(PROXY, Signal::QUIT)]));
    assert_eq!(world.wait(), (5, vec![Action::KillGroup(PROXY)]));
    assert_eq!(world.exit(PROXY, 9), [Action::Signal(MAIN, Signal::TERM)]);
}

/// `db` <- `main`, where each may take far longer than a stop has, and `main` knows one signal only.
fn two_slow_ones() -> World {
    let mut main = sample("main", &["db"]);
    main.stop.truncate(1);
    let mut world = World::of([sample("db", &[]), main]);
    world.step(Event::Start(Vec::new()));
    world.ready(DB);
    world.ready(1);
    world
}

#[test]
fn a_stop_has_one_deadline_for_all_and_what_others_need_ends_in_order() {
    const MAIN: usize = 1;
    let mut world = two_slow_ones();
    let by = Some(world.now + Duration::from_secs(12));
    let stop = Event::Stop { force: false, by };
    assert_eq!(world.step(stop), [Action::Signal(MAIN, Signal::TERM)]);
    assert_eq!(world.wait(), (8, vec![Action::KillGroup(MAIN)]));
    assert_eq!(world.exit(MAIN, 9), [Action::Signal(DB, Signal::TERM)]);
    world.wait();
    assert_eq!(world.wait().1, [Action::KillGroup(DB)]);
    assert_eq!(Some(world.now), by);
}

#[test]
fn of_a_short_time_half_is_kept_back_and_of_none_there_is_still_a_second() {
    let mut world = two_slow_ones();
    let by = Some(world.now + Duration::from_secs(4));
    world.step(Event::Stop { force: false, by });
    assert_eq!(world.wait(), (2, vec![Action::KillGroup(1)]));
    // The kernel needs longer than there is time.
    assert_eq!(world.wait(), (5, vec![Action::KillGroup(1)]));
    assert_eq!(world.exit(1, 9), [Action::Signal(DB, Signal::TERM)]);
    let end = world.now + Duration::from_secs(1);
    assert_eq!(world.wait().1, [Action::Signal(DB, Signal::QUIT)]);
    assert_eq!(world.wait().1, [Action::KillGroup(DB)]);
    assert_eq!(world.now, end);
}

#[test]
fn a_deadline_that_comes_later_holds_for_what_is_being_stopped_already() {
    let mut world = two_slow_ones();
    world.step(Event::Stop { force: false, by: None });
    let by = Some(world.now + Duration::from_secs(9));
    assert_eq!(world.step(Event::Stop { force: false, by }), []);
    assert_eq!(world.wait(), (6, vec![Action::KillGroup(1)]));
}

#[test]
fn force_kills_what_has_had_its_only_signal() {
    let mut world = two_slow_ones();
    world.step(Event::Stop { force: false, by: None });
    let kill = [Action::KillGroup(DB), Action::KillGroup(1)];
    assert_eq!(world.step(Event::Stop { force: true, by: None }), kill);
}

#[test]
fn a_second_request_kills_at_once() {
    let mut world = World::running();
    world.step(Event::Stop { force: false, by: None });
    let kill = vec![Action::KillGroup(DB), Action::KillGroup(MAIN), Action::KillGroup(PROXY)];
    assert_eq!(world.step(Event::Stop { force: true, by: None }), kill);
    world.exit(DB, 9);
    world.exit(PROXY, 9);
    assert_eq!(world.exit(MAIN, 9), [Action::Finish]);
}

#[test]
fn a_stop_during_a_pause_needs_no_process() {
    let mut world = World::new();
    world.step(Event::Start(Vec::new()));
    world.exit(DB, 1);
    assert_eq!(world.step(Event::Stop { force: false, by: None }), [Action::Finish]);
    assert_eq!(world.state.deadline(), None);
}

#[test]
fn restarting_one_leaves_the_others_and_gives_it_a_new_budget() {
    let mut world = World::running();
    let term = vec![Action::Signal(MAIN, Signal::TERM)];
    assert_eq!(world.step(Event::Restart(Some(MAIN))), term);
    assert_eq!(world.exit(MAIN, 0), [Action::Spawn(MAIN)]);
    assert_eq!(world.state.units[MAIN].restarts, 0);
    assert_eq!(world.phase(PROXY), Phase::Running);
}

#[test]
fn restarting_all_goes_down_and_up_again_with_the_one_shot() {
    let mut world = World::running();
    world.step(Event::Restart(None));
    world.exit(PROXY, 0);
    world.exit(MAIN, 0);
    assert_eq!(world.exit(DB, 0), [Action::Spawn(DB)]);
    assert_eq!(world.ready(DB), [Action::Spawn(INIT)]);
}

#[test]
fn restarting_a_failed_service_tries_it_again() {
    let mut world = World::new();
    world.step(Event::Start(Vec::new()));
    world.ready(DB);
    world.exit(INIT, 1);
    assert_eq!(world.step(Event::Restart(Some(INIT))), [Action::Spawn(INIT)]);
}

#[test]
fn a_hung_service_is_stopped_and_that_counts_as_a_death() {
    let mut world = World::running();
    let run = world.state.units[MAIN].run;
    let hung = Event::Hung { service: MAIN, run };
    assert_eq!(world.step(hung), [Action::Signal(MAIN, Signal::TERM)]);
    world.exit(MAIN, 0);
    assert_eq!(world.phase(MAIN), Phase::Backoff);
}

#[test]
fn news_of_an_older_process_are_ignored() {
    let mut world = World::running();
    world.exit(MAIN, 1);
    world.wait();
    let stale = Event::Ready { service: MAIN, run: 1 };
    world.step(stale);
    assert_eq!(world.phase(MAIN), Phase::Starting);
}

#[test]
fn stopping_one_stops_first_what_needs_it_and_leaves_the_rest() {
    let mut world = World::running();
    let down = Event::Down { services: vec![INIT], by: None };
    assert_eq!(world.step(down), [Action::Signal(PROXY, Signal::TERM)]);
    assert_eq!(world.exit(PROXY, 0), [Action::Signal(MAIN, Signal::TERM)]);
    assert_eq!(world.exit(MAIN, 0), []);
    assert!(world.state.is_ready());
    assert_eq!((world.phase(DB), world.phase(INIT)), (Phase::Running, Phase::Stopped));
    assert_eq!(world.step(Event::Start(vec![PROXY])), [Action::Spawn(INIT)]);
    assert_eq!(world.exit(INIT, 0), [Action::Spawn(MAIN)]);
}

#[test]
fn starting_one_starts_what_it_needs_and_nothing_else() {
    let mut world = World::new();
    assert_eq!(world.step(Event::Start(vec![INIT])), [Action::Spawn(DB)]);
    assert_eq!(world.ready(DB), [Action::Spawn(INIT)]);
    assert_eq!(world.exit(INIT, 0), []);
    assert!(world.state.is_ready());
    assert_eq!(world.phase(MAIN), Phase::Stopped);
}

#[test]
fn a_stopped_service_that_is_restarted_is_started() {
    let mut world = World::running();
    world.step(Event::Down { services: vec![PROXY], by: None });
    world.exit(PROXY, 0);
    assert_eq!(world.step(Event::Restart(Some(PROXY))), [Action::Spawn(PROXY)]);
}

/// The services of [`World`] with another `proxy`, and `cache` instead of `main`.
fn others() -> Vec<Service> {
    let mut init = sample("init", &["db"]);
    init.restart = Restart::Never;
    let mut proxy = sample("proxy", &["cache"]);
    proxy.revision = "2".to_owned();
    vec![sample("db", &[]), init, sample("cache", &["db"]), proxy]
}

#[test]
fn other_services_replace_those_that_run_and_what_did_not_change_goes_on() {
    let mut world = World::running();
    let actions = world.step(Event::Replace(others()));
    let cache = world.state.find("cache").unwrap();
    let defined = [Action::Define(cache), Action::Define(PROXY)];
    assert_eq!(actions[..2], defined, "before anything is done to them");
    assert_eq!(actions[2..], [Action::Signal(PROXY, Signal::TERM), Action::Spawn(cache)]);
    assert!(!world.state.is_ready());
    assert_eq!(world.state.find("main"), None);
    world.ready(cache);
    let actions = world.exit(PROXY, 0);
    assert_eq!(actions, [Action::Signal(MAIN, Signal::TERM), Action::Spawn(PROXY)]);
    world.exit(MAIN, 0);
    world.ready(PROXY);
    assert!(world.state.is_ready());
    assert_eq!((world.state.units[DB].run, world.phase(DB)), (1, Phase::Running));
}

#[test]
fn a_service_that_can_reads_its_files_again_without_ending() {
    let mut world = World::running();
    let mut services = world.services();
    services[PROXY].reload = Some(Signal::HUP);
    assert_eq!(world.step(Event::Replace(services.clone())), [Action::Define(PROXY)]);
    let reload = [Action::Signal(PROXY, Signal::HUP)];
    assert_eq!(world.step(Event::Reload(PROXY)), reload);
    services[PROXY].revision = "2".to_owned();
    let actions = world.step(Event::Replace(services));
    assert_eq!(actions, [Action::Define(PROXY), reload[0].clone()]);
    assert_eq!(world.step(Event::Tick), []);
    assert_eq!(world.state.units[PROXY].run, 1);
}

#[test]
fn a_service_that_was_stopped_stays_so_when_others_come() {
    let mut world = World::running();
    world.step(Event::Down { services: vec![PROXY], by: None });
    world.exit(PROXY, 0);
    let mut services = world.services();
    services.push(sample("web", &["main"]));
    assert_eq!(world.step(Event::Replace(services)), [Action::Define(4), Action::Spawn(4)]);
    assert_eq!(world.phase(PROXY), Phase::Stopped);
    assert_eq!(world.step(Event::Reload(PROXY)), [], "it reads its files when it starts");
}

#[test]
fn services_that_are_only_defined_wait_until_they_are_asked_for() {
    let mut world = World::running();
    let mut services = world.services();
    services.push(sample("web", &["main"]));
    let define = |services| Event::Define { services, restarts: Vec::new() };
    assert_eq!(world.step(define(services.clone())), [Action::Define(4)]);
    assert!(world.state.is_ready());
    assert_eq!(world.step(define(services)), [], "nothing has changed");
    assert_eq!(world.step(Event::Start(vec![4])), [Action::Spawn(4)]);
}

#[test]
fn one_that_runs_is_only_restarted_where_that_was_asked_for() {
    let mut world = World::of([sample("db", &[]), sample("main", &["db"])]);
    world.step(Event::Start(Vec::new()));
    (0..2).for_each(|service| drop(world.ready(service)));
    let mut services = world.services();
    services[1].revision = "2".to_owned();
    services[1].endpoints = [("client".to_owned(), "elsewhere".to_owned())].into();
    let define = |restarts: Vec<String>| Event::Define { services: services.clone(), restarts };
    assert_eq!(world.step(define(Vec::new())), []);
    assert!(world.services()[1].endpoints.is_empty(), "it is where it was");
    let restarted = world.step(define(vec!["main".to_owned()]));
    assert_eq!(restarted, [Action::Define(1), Action::Signal(1, Signal::TERM)]);
    assert_eq!(world.services()[1].revision, "2");
}

#[test]
fn the_word_that_earlier_versions_wrote_for_a_pause_is_understood() {
    let read = |text: &str| serde_json::from_str::<Phase>(text).unwrap();
    assert_eq!([read("\"resting\""), read("\"backoff\"")], [Phase::Backoff; 2]);
    assert_eq!(serde_json::to_string(&Phase::Backoff).unwrap(), "\"backoff\"");
}

#[test]
fn what_only_the_old_process_needed_goes_although_the_new_one_runs() {
    let services = [sample("db", &[]), sample("main", &["db"]), sample("other", &["db"])];
    let mut world = World::of(services);
    world.step(Event::Start(Vec::new()));
    (0..3).for_each(|service| drop(world.ready(service)));
    let mut main = sample("main", &[]);
    main.revision = "2".to_owned();
    let actions = world.step(Event::Replace(vec![main]));
    assert_eq!(actions[1..], [1, 2].map(|service| Action::Signal(service, Signal::TERM)));
    assert_eq!(world.exit(1, 0), [Action::Spawn(1)]);
    world.ready(1);
    assert_eq!(world.exit(2, 0), [Action::Signal(0, Signal::TERM)]);
    world.exit(0, 0);
    assert!(world.state.is_ready());
}

#[test]
fn what_nobody_needs_any_more_goes_although_who_needed_it_through_others_runs_on() {
    let services = [sample("redis", &[]), sample("main", &["redis"]), sample("proxy", &["main"])];
    let mut world = World::of(services);
    world.step(Event::Start(Vec::new()));
    (0..3).for_each(|service| drop(world.ready(service)));
    let mut main = sample("main", &[]);
    main.revision = "2".to_owned();
    let actions = world.step(Event::Replace(vec![main, sample("proxy", &["main"])]));
    assert_eq!(actions, [Action::Define(1), Action::Signal(1, Signal::TERM)]);
    assert_eq!(world.exit(1, 0), [Action::Signal(0, Signal::TERM), Action::Spawn(1)]);
    world.exit(0, 0);
    world.ready(1);
    assert!(world.state.is_ready());
    assert_eq!((world.state.units[2].run, world.phase(2)), (1, Phase::Running));
}
