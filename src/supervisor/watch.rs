//! The loop: everything that happens comes in here one after the other, `state` decides, and what it
//! decided is done. Nothing wakes it but processes, probes, clients and its own deadlines.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    time::{sleep_until, timeout},
};

use super::{
    Error, Settings,
    ahead::Ahead,
    control::{self, Incoming, Request},
    down::Down,
    events::{self, Recent},
    job, orphans,
    record::{self, Snapshot, Supervisor},
    service::Service,
    state::{Action, Event, Exit, Phase, State, name_of},
    sweep,
    unit::{Occurrence, Unit, UnitEvent},
};
use crate::process::Lock;

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
    ahead: Option<Ahead>,
    changed: &mut dyn FnMut(&Snapshot),
) -> Result<bool, Error> {
    let lock = Lock::try_acquire(&settings.data.supervisor_lock(), "daemon supervise")?;
    let services = super::order::sort(services)?;
    // Before anything that takes time: none of them has a process yet.
    let down = Down::anew(&settings.data)?;
    for service in &services {
        down.mark(&service.name);
    }
    let wanted = settings.wanted.iter().map(|name| {
        let place = services.iter().position(|service| service.name == *name);
        place.ok_or_else(|| Error::NoService(name.clone()))
    });
    let wanted = wanted.collect::<Result<Vec<usize>, Error>>()?;
    sweep(&settings.data.state_file(), SWEEP).await;
    let mut watch = Watch::new(services, settings);
    if let Some(ahead) = ahead {
        let mut units = watch.units.iter_mut().enumerate();
        if let Some((_, unit)) = units.find(|(place, unit)| ahead.is(&unit.service, *place)) {
            unit.ahead = Some(ahead);
        }
    }
    let listener = control::listen(&watch.settings.data.control_socket())?;
    let (requests, mut incoming) = mpsc::channel(16);
    let (publish, snapshots) = watch::channel(watch.snapshot());
    let server = tokio::spawn(control::serve(listener, requests, snapshots, watch.recent.clone()));
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
        watch.drain();
        watch.publish(&publish, changed);
        if watch.finished {
            break;
        }
        if !watch.failed && watch.has_failed() {
            watch.failed = true;
            watch.queue.push_back(Event::Stop { force: false, by: None });
            continue;
        }
        let deadline = watch.state.deadline();
        let wake = tokio::select! {
            biased;
            _ = terminate.recv() => Wake::Signal,
            _ = interrupt.recv() => Wake::Signal,
            Some(request) = incoming.recv() => Wake::Request(request),
            Some(event) = watch.unit_events.recv() => Wake::Unit(event),
            _ = child.recv() => Wake::ChildEnded,
            () = until(deadline) => Wake::Tick,
        };
        match wake {
            Wake::Signal => {
                // The second one means it.
                watch.queue.push_back(Event::Stop { force: asked_to_stop, by: None });
                asked_to_stop = true;
            }
            Wake::Request(request) => watch.answer(request),
            Wake::Unit(event) => watch.take(event),
            Wake::ChildEnded => {
                orphans::reap(|pid| watch.units.iter().any(|unit| unit.pid == Some(pid)));
            }
            Wake::Tick => watch.queue.push_back(Event::Tick),
        }
    }
    // Whoever listens hears the end: they hold the other side of the requests until then.
    drop(publish);
    server.abort();
    drop(timeout(LAST_WORDS, async { while incoming.recv().await.is_some() {} }).await);
    orphans::end().await;
    let control = watch.settings.data.control_socket();
    for file in watch.units.iter().map(|unit| &unit.notify_socket).chain([&control]) {
        drop(crate::files::remove(file));
    }
    drop(lock);
    Ok(!watch.failed)
}

/// What the loop waits for.
enum Wake {
    Signal,
    Request(Incoming),
    Unit(UnitEvent),
    ChildEnded,
    /// The state's deadline is over.
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
    tell: mpsc::Sender<UnitEvent>,
    unit_events: mpsc::Receiver<UnitEvent>,
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
        let (tell, unit_events) = mpsc::channel(64);
        let mut watch = Self {
            me: Supervisor::of_this_process(),
            state: State::default(),
            units: Vec::new(),
            queue: VecDeque::new(),
            tell,
            unit_events,
            profile: settings.profile.clone(),
            since: crate::clock::now().to_string(),
            recent: Recent::default(),
            written: None,
            record_fails: false,
            finished: false,
            failed: false,
            settings,
        };
        watch.queue.push_back(Event::Define { services, restarts: Vec::new() });
        watch.drain();
        watch
    }

    /// Has everything decided that is to be decided, and does it.
    fn drain(&mut self) {
        while let Some(event) = self.queue.pop_front() {
            for action in self.state.step(event, Instant::now()) {
                self.act(&action);
            }
        }
    }

    /// Other services from now on: those that did not change go on.
    fn replace(&mut self, profile: String, services: Vec<Service>) -> Result<Event, String> {
        let services = super::order::sort(services).map_err(|error| error.to_string())?;
        tracing::info!("the services are those of `{profile}` from now on");
        self.profile = profile;
        self.since = crate::clock::now().to_string();
        Ok(Event::Replace(services))
    }

    fn define(services: Vec<Service>, restarts: Vec<String>) -> Result<Event, String> {
        let services = super::order::sort(services).map_err(|error| error.to_string())?;
        tracing::info!("the services are defined anew");
        Ok(Event::Define { services, restarts })
    }

    fn reload(&self, name: &str) -> Result<Event, String> {
        let i = self.find_one(name)?;
        match self.state.units[i].service.reload {
            Some(_) => Ok(Event::Reload(i)),
            None => Err(format!("`{name}` reads its files when it starts, and only then")),
        }
    }

    fn find(&self, names: &[String]) -> Result<Vec<usize>, String> {
        names.iter().map(|name| self.find_one(name)).collect()
    }

    fn find_one(&self, name: &str) -> Result<usize, String> {
        self.state.find(name).ok_or_else(|| format!("there is no service `{name}`"))
    }

    fn act(&mut self, action: &Action) {
        match action {
            Action::Define(i) => {
                let service = self.state.units[*i].service.clone();
                if let Some(unit) = self.units.get_mut(*i) {
                    unit.redefine(service);
                } else {
                    let unit = Unit::new(*i, service, &self.settings, self.tell.clone());
                    self.units.push(unit);
                }
            }
            Action::Spawn(i) | Action::Fork(i, _) => {
                let run = self.state.units[*i].run;
                let name = &self.units[*i].service.name;
                tracing::info!("`{name}` starts (run {run})");
                let starter = match action {
                    Action::Fork(_, starter) => Some(*starter),
                    _ => None,
                };
                if let (None, Some(by)) = (starter, self.state.units[*i].through) {
                    let (by, phase) = (&self.units[by].service.name, self.state.units[by].phase);
                    tracing::warn!("`{name}` starts by itself, since `{by}` is {phase:?}");
                }
                match self.units[*i].spawn(run, starter.is_some()) {
                    Ok(None) => {}
                    Ok(Some(error)) => self.refused(*i, starter, &error),
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

    /// It was started in the ordinary way, since who should have done it did not.
    fn refused(&mut self, service: usize, starter: Option<usize>, error: &std::io::Error) {
        let Some(starter) = starter else { return };
        let (name, by) = (&self.units[service].service.name, &self.units[starter].service.name);
        tracing::warn!("`{name}` starts by itself, since `{by}` does not start it: {error}");
        let run = self.state.units[starter].run;
        self.queue.push_back(Event::Hung { service: starter, run });
    }

    /// What a unit has to tell.
    fn take(&mut self, event: UnitEvent) {
        let UnitEvent { service, run, what } = event;
        if self.state.units[service].run != run {
            return;
        }
        let unit = &mut self.units[service];
        let name = &unit.service.name;
        match what {
            Occurrence::Exited(exit) => {
                tracing::info!("`{name}` has ended: {exit}");
                self.queue.push_back(Event::Exited { service, run, exit });
            }
            Occurrence::Ready => {
                tracing::info!("`{name}` is ready");
                unit.ready();
                self.queue.push_back(Event::Ready { service, run });
            }
            Occurrence::WaitsFor(why) => unit.waits_for = Some(why),
            Occurrence::Checked(probe, answer) => {
                if unit.checked(probe, answer) {
                    let name = &unit.service.name;
                    tracing::warn!("`{name}` does not answer any more and is restarted");
                    self.queue.push_back(Event::Hung { service, run });
                }
            }
        }
    }

    /// Does what a client asks for, or says why not.
    fn answer(&mut self, incoming: Incoming) {
        let by = |within_ms: Option<u64>| {
            within_ms.map(|milliseconds| Instant::now() + Duration::from_millis(milliseconds))
        };
        let event = match incoming.request {
            Request::Stop { force, within_ms } => {
                tracing::info!("somebody asks for the end");
                Ok(Event::Stop { force, by: by(within_ms) })
            }
            Request::Restart { service: None } => Ok(Event::Restart(None)),
            Request::Restart { service: Some(name) } => {
                self.find_one(&name).map(|service| Event::Restart(Some(service)))
            }
            Request::Start { services } => self.find(&services).map(Event::Start),
            Request::Down { services, within_ms } => {
                let by = by(within_ms);
                self.find(&services).map(|services| Event::Down { services, by })
            }
            Request::Reload { service } => self.reload(&service),
            Request::Replace { profile, services } => self.replace(profile, services),
            Request::Define { services, restarts } => Self::define(services, restarts),
            // Answered without us.
            Request::Status | Request::Subscribe | Request::Events { .. } => Ok(Event::Tick),
        };
        let answer = event.map(|event| self.queue.push_back(event));
        // The change has to be in the first snapshot that the client gets.
        self.drain();
        drop(incoming.answer.send(answer));
    }

    /// Whether that ends everything.
    fn has_failed(&self) -> bool {
        let Some(tag) = self.settings.end_with_failure else { return false };
        let counts = |service: &Service| {
            service.starter.is_none() && !service.tags.iter().any(|it| it == tag)
        };
        let mut units = self.state.units.iter();
        units.any(|unit| unit.phase == Phase::Failed && counts(&unit.service))
    }

    fn chosen(&self) -> record::Chosen {
        let name = |i: usize| self.units[i].service.name.clone();
        let services = self.kept().map(name).collect();
        record::Chosen { started_at: self.since.clone(), services }
    }

    /// Those that are shown, in their order: one that goes when it has started others as long as it is there.
    fn kept(&self) -> impl Iterator<Item = usize> {
        self.state.order.iter().copied().filter(|i| {
            let unit = &self.state.units[*i];
            !unit.service.goes() || unit.phase.has_process() || unit.phase == Phase::Backoff
        })
    }

    fn snapshot(&self) -> Snapshot {
        // One that is gone is shown until it is down.
        let gone = (0..self.units.len())
            .filter(|i| !self.state.order.contains(i) && self.state.units[*i].phase.has_process());
        let shown: Vec<usize> = self.kept().chain(gone).collect();
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
        if let Err(error) = snapshot.write(&self.settings.data.state_file()) {
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
