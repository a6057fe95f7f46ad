//! The loop: everything that happens comes in here one after the other, `state` decides, and what it
//! decided is done. Nothing wakes it but processes, probes, clients and its own deadlines.

use std::{
    collections::VecDeque,
    path::PathBuf,
    time::{Duration, Instant},
};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    time::{sleep_until, timeout},
};

use super::{
    Error, Settings, control,
    control::{Request, Wish},
    events::{self, Recent},
    job, orphans,
    record::{self, Down, Snapshot, Supervisor},
    service::{Restart, Service},
    state::{Action, Event, Exit, Phase, State, name_of},
    unit::{News, Unit},
};
use crate::files::Lock;

/// How long what a killed supervisor left behind may take to end by itself.
const SWEEP: Duration = Duration::from_secs(15);
/// How long those who listen may take to hear how it ended.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// `state.json` is written with every change, and otherwise so often that its checks look alive.
const RENEW_RECORD: Duration = Duration::from_mins(1);

/// Keeps services until it is asked to end; false if it ended because one of them had failed.
pub(crate) async fn run(
    services: Vec<Service>,
    settings: Settings,
    changed: &mut dyn FnMut(&Snapshot),
) -> Result<bool, Error> {
    let lock = Lock::try_acquire(&settings.run.join("supervisor.lock"), "daemon supervise")?;
    let services = super::order::sort(services)?;
    // Before anything that takes time: none of them has a process yet.
    let down = Down::anew(&settings.run)?;
    for service in &services {
        down.mark(&service.name);
    }
    let wanted = settings.wanted.iter().map(|name| {
        let place = services.iter().position(|service| service.name == *name);
        place.ok_or_else(|| Error::NoService(name.clone()))
    });
    let wanted = wanted.collect::<Result<Vec<usize>, Error>>()?;
    record::sweep(&settings.state_file(), SWEEP).await;
    let mut watch = Watch::new(services, settings);
    let listener = control::listen(&watch.settings.sockets)?;
    let (wish, mut wishes) = mpsc::channel(16);
    let (publish, truth) = watch::channel(watch.snapshot());
    let server = tokio::spawn(control::serve(listener, wish, truth, watch.recent.clone()));
    let signals = [
        SignalKind::terminate(),
        SignalKind::interrupt(),
        SignalKind::child(),
        SignalKind::hangup(),
    ];
    let [Ok(mut terminate), Ok(mut interrupt), Ok(mut child), Ok(_ignored)] = signals.map(signal)
    else {
        return Err(Error::Signals);
    };
    orphans::adopt();
    let mut asked_to_stop = false;
    watch.queue.push_back(Event::Start(wanted));
    loop {
        while let Some(event) = watch.queue.pop_front() {
            for action in watch.state.step(event, Instant::now()) {
                watch.act(&action);
            }
        }
        watch.publish(&publish, changed);
        if watch.finished {
            break;
        }
        if !watch.failed && watch.has_failed() {
            watch.failed = true;
            watch.stop(false, None);
            continue;
        }
        let deadline = watch.state.deadline();
        let event = tokio::select! {
            biased;
            _ = terminate.recv() => Happened::Signal,
            _ = interrupt.recv() => Happened::Signal,
            Some(wish) = wishes.recv() => Happened::Wish(wish),
            Some(news) = watch.news.recv() => Happened::News(news),
            _ = child.recv() => Happened::ChildEnded,
            () = until(deadline) => Happened::Tick,
        };
        match event {
            Happened::Signal => {
                // The second one means it.
                watch.stop(asked_to_stop, None);
                asked_to_stop = true;
            }
            Happened::Wish(wish) => watch.grant(wish),
            Happened::News(news) => watch.take(news),
            Happened::ChildEnded => {
                orphans::reap(|pid| watch.units.iter().any(|unit| unit.pid == Some(pid)));
            }
            Happened::Tick => watch.queue.push_back(Event::Tick),
        }
    }
    // Whoever listens hears the end: they hold the other side of the wishes until then.
    drop(publish);
    server.abort();
    drop(timeout(LAST_WORDS, async { while wishes.recv().await.is_some() {} }).await);
    orphans::end().await;
    for file in watch
        .units
        .iter()
        .map(Unit::notify_socket)
        .chain([control::socket(&watch.settings.sockets)])
    {
        drop(crate::files::remove(&file));
    }
    drop(lock);
    Ok(!watch.failed)
}

enum Happened {
    Signal,
    Wish(Wish),
    News(News),
    ChildEnded,
    Tick,
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

struct Watch {
    settings: Settings,
    me: Supervisor,
    state: State,
    units: Vec<Unit>,
    /// Events that are still to be decided on.
    queue: VecDeque<Event>,
    tell: mpsc::Sender<News>,
    news: mpsc::Receiver<News>,
    profile: String,
    /// When it was chosen.
    since: String,
    recent: Recent,
    written: Option<(Snapshot, Instant)>,
    record_fails: bool,
    finished: bool,
    failed: bool,
}

impl Watch {
    fn new(services: Vec<Service>, settings: Settings) -> Self {
        let (tell, news) = mpsc::channel(64);
        let mut watch = Self {
            me: Supervisor::of_this_process(),
            state: State::new(services),
            units: Vec::new(),
            queue: VecDeque::new(),
            tell,
            news,
            profile: settings.profile.clone(),
            since: crate::clock::now().to_string(),
            recent: Recent::default(),
            written: None,
            record_fails: false,
            finished: false,
            failed: false,
            settings,
        };
        watch.keep_up();
        watch
    }

    /// Has for each service of the state what is known around it.
    fn keep_up(&mut self) {
        for (i, unit) in self.state.units.iter().enumerate() {
            let service = unit.service.clone();
            if let Some(kept) = self.units.get_mut(i) {
                kept.redefine(service);
            } else {
                self.units.push(Unit::new(i, service, &self.settings, self.tell.clone()));
            }
        }
    }

    /// Other services from now on: those that did not change go on.
    fn replace(&mut self, profile: Option<String>, services: Vec<Service>) -> Result<(), String> {
        let services = super::order::sort(services).map_err(|error| error.to_string())?;
        let actions = if let Some(profile) = profile {
            tracing::info!("the services are those of `{profile}` from now on");
            self.profile = profile;
            self.since = crate::clock::now().to_string();
            self.state.replace(services)
        } else {
            tracing::info!("the services are defined anew");
            self.state.define(services)
        };
        self.keep_up();
        for action in actions {
            self.act(&action);
        }
        self.queue.push_back(Event::Tick);
        Ok(())
    }

    /// Has a service that runs read its files again; one that does not run reads them when it starts.
    fn reload(&mut self, name: &str) -> Result<(), String> {
        for i in self.find(&[name.to_owned()])? {
            let unit = &self.state.units[i];
            let signal = unit
                .service
                .reload
                .ok_or_else(|| format!("`{name}` reads its files when it starts, and only then"))?;
            if matches!(unit.phase, Phase::Starting | Phase::Running) {
                self.act(&Action::Signal(i, signal));
            }
        }
        Ok(())
    }

    fn find(&self, names: &[String]) -> Result<Vec<usize>, String> {
        let find = |name: &String| {
            self.state.find(name).ok_or_else(|| format!("there is no service `{name}`"))
        };
        names.iter().map(find).collect()
    }

    fn stop(&mut self, force: bool, within: Option<Duration>) {
        let by = within.map(|within| Instant::now() + within);
        self.queue.push_back(Event::Stop { force, by });
    }

    fn act(&mut self, action: &Action) {
        match action {
            Action::Spawn(i) => {
                let run = self.state.units[*i].run;
                let name = &self.units[*i].service.name;
                tracing::info!("`{name}` starts (run {run})");
                match self.units[*i].spawn(run) {
                    Ok(()) => {}
                    Err(error) => {
                        let reason = Some(format!("it cannot be started: {error}"));
                        let exit = Exit { reason, ..Exit::default() };
                        self.units[*i].ended();
                        self.queue.push_back(Event::Exited { service: *i, run, exit });
                    }
                }
            }
            Action::Signal(i, signal) => {
                tracing::info!("`{}` gets {}", self.units[*i].service.name, name_of(*signal));
                if self.state.units[*i].phase == Phase::Stopping {
                    self.units[*i].stopping();
                }
                if let Some(pid) = self.units[*i].pid {
                    job::signal(pid, *signal);
                }
            }
            Action::KillGroup(i) => {
                self.units[*i].stopping();
                if let Some(pid) = self.units[*i].pid {
                    job::kill_group(pid);
                }
                if self.state.units[*i].phase == Phase::Stopping {
                    tracing::warn!("`{}` has not ended and is killed", self.units[*i].service.name);
                } else {
                    self.units[*i].ended();
                }
            }
            Action::Finish => self.finished = true,
        }
    }

    fn take(&mut self, news: News) {
        let (service, run) = (news.service, news.run);
        if self.state.units[service].run != run {
            return;
        }
        let name = self.units[service].service.name.clone();
        match news.what {
            super::unit::What::Exited(exit) => {
                tracing::info!("`{name}` has ended: {exit}");
                self.queue.push_back(Event::Exited { service, run, exit });
            }
            super::unit::What::Ready => {
                // A piece of work is done when it ends, not before.
                let Service { restart, ready, .. } = &self.units[service].service;
                if *restart != Restart::Never || !ready.is_empty() {
                    tracing::info!("`{name}` is ready");
                    self.units[service].ready();
                    self.queue.push_back(Event::Ready { service, run });
                }
            }
            super::unit::What::WaitsFor(why) => self.units[service].waits_for = Some(why),
            super::unit::What::Checked(probe, answer) => {
                if self.units[service].checked(probe, answer) {
                    tracing::warn!("`{name}` does not answer any more and is restarted");
                    self.queue.push_back(Event::Hung { service, run });
                }
            }
        }
    }

    fn grant(&mut self, wish: Wish) {
        let granted = match wish.request {
            Request::Stop { force, within_ms } => {
                tracing::info!("somebody asks for the end");
                self.stop(force, within_ms.map(Duration::from_millis));
                Ok(())
            }
            Request::Restart { service: None } => {
                self.queue.push_back(Event::Restart(None));
                Ok(())
            }
            Request::Restart { service: Some(name) } => self.find(&[name]).map(|found| {
                let events = found.into_iter().map(|i| Event::Restart(Some(i)));
                self.queue.extend(events);
            }),
            Request::Start { services } => {
                self.find(&services).map(|found| self.queue.push_back(Event::Start(found)))
            }
            Request::Down { services, within_ms } => self.find(&services).map(|services| {
                let by = within_ms.map(|ms| Instant::now() + Duration::from_millis(ms));
                self.queue.push_back(Event::Down { services, by });
            }),
            Request::Reload { service } => self.reload(&service),
            Request::Replace { profile, services } => self.replace(Some(profile), services),
            Request::Define { services } => self.replace(None, services),
            Request::Status | Request::Subscribe | Request::Events { .. } => Ok(()),
        };
        // The change has to be in the first snapshot that the client gets.
        while let Some(event) = self.queue.pop_front() {
            for action in self.state.step(event, Instant::now()) {
                self.act(&action);
            }
        }
        drop(wish.answer.send(granted));
    }

    /// Whether that ends everything.
    fn has_failed(&self) -> bool {
        let Some(tag) = self.settings.end_with_failure else { return false };
        let counts = |service: &Service| !service.tags.iter().any(|it| it == tag);
        let mut units = self.state.units.iter();
        units.any(|unit| unit.phase == Phase::Failed && counts(&unit.service))
    }

    fn chosen(&self) -> record::Chosen {
        let name = |i: &usize| self.units[*i].service.name.clone();
        let services = self.state.order.iter().map(name).collect();
        record::Chosen { started_at: self.since.clone(), services }
    }

    fn snapshot(&self) -> Snapshot {
        // One that is gone is shown until it is down.
        let gone = (0..self.units.len())
            .filter(|i| !self.state.order.contains(i) && self.state.units[*i].phase.has_process());
        let shown: Vec<usize> = self.state.order.iter().copied().chain(gone).collect();
        let name = |i: &usize| self.units[*i].service.name.clone();
        let report = |i: &usize| (name(i), self.units[*i].report(&self.state.units[*i]));
        Snapshot {
            ready: self.state.is_ready(),
            profile: self.profile.clone(),
            profiles: [(self.profile.clone(), self.chosen())].into(),
            supervisor: self.me.clone(),
            services: shown.iter().map(report).collect(),
            order: shown.iter().map(name).collect(),
            events: self.recent.last(),
        }
    }

    /// Tells everybody, if anything has changed.
    fn publish(&mut self, publish: &watch::Sender<Snapshot>, changed: &mut dyn FnMut(&Snapshot)) {
        let mut snapshot = self.snapshot();
        publish.send_if_modified(|old| {
            let differs = *old != snapshot;
            if differs {
                let at = crate::clock::now().to_string();
                self.recent.add(events::between(old, &snapshot, &at));
                snapshot.events = self.recent.last();
                old.clone_from(&snapshot);
            }
            differs
        });
        let bare = snapshot.without_checks();
        let same = self
            .written
            .as_ref()
            .is_some_and(|(written, at)| *written == bare && at.elapsed() < RENEW_RECORD);
        if same {
            return;
        }
        if let Err(error) = snapshot.write(&self.settings.state_file()) {
            if !self.record_fails {
                tracing::warn!(
                    "{error}: {}",
                    std::error::Error::source(&error).map_or_else(String::new, ToString::to_string)
                );
            }
            self.record_fails = true;
        } else {
            self.record_fails = false;
        }
        changed(&snapshot);
        self.written = Some((bare, Instant::now()));
    }
}

impl Settings {
    fn state_file(&self) -> PathBuf {
        self.run.join("state.json")
    }
}
