//! One service while it is kept: its process, the tasks around it, and what is known of its health.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use rustix::process::Pid;
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{
    Settings,
    ahead::Ahead,
    down::Down,
    job,
    log::{self, LogFile, Shared},
    notify,
    probe::{self, Answer},
    record::{Ended, Health, Report},
    service::{Probe, Restart, Service},
    state::{self, Exit, Phase},
};
use crate::{clock, process::Stat};

/// Between two questions to a service that is starting: a tenth of the time it has taken so far,
/// because a start is waited for.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);
/// How long the last lines of a process that has ended may take to come through the pipe.
const LAST_LINES: Duration = Duration::from_millis(300);

/// What the tasks around a process tell the loop.
pub(crate) struct UnitEvent {
    pub(crate) service: usize,
    pub(crate) run: u32,
    pub(crate) what: Occurrence,
}

pub(crate) enum Occurrence {
    Exited(Exit),
    Ready,
    WaitsFor(String),
    /// The answer to the live probe of that number.
    Checked(usize, Answer),
}

pub(crate) struct Unit {
    index: usize,
    pub(crate) service: Service,
    pub(crate) pid: Option<Pid>,
    pub(crate) waits_for: Option<String>,
    log: Shared,
    log_path: PathBuf,
    pub(super) notify_socket: PathBuf,
    down: Down,
    plain: Arc<job::Variables>,
    /// Its process, where that was started before it had to be.
    pub(super) ahead: Option<Ahead>,
    tell: mpsc::Sender<UnitEvent>,
    probes: Vec<JoinHandle<()>>,
    run: u32,
    start_ticks: Option<u64>,
    started_at: Option<String>,
    ready_at: Option<String>,
    ended_at: Option<String>,
    /// The last answer to each live probe, and since when they are bad.
    answers: Vec<(Answer, Option<Instant>)>,
    last_check: Option<String>,
}

fn now() -> String {
    clock::now().to_string()
}

impl Unit {
    pub(crate) fn new(
        index: usize,
        service: Service,
        settings: &Settings,
        tell: mpsc::Sender<UnitEvent>,
    ) -> Self {
        let echo = settings.echo.clone();
        let log = LogFile::new(&settings.data.logs(), &service.name, settings.limits, echo);
        let down = Down::of(&settings.data);
        down.mark(&service.name);
        Self {
            index,
            log_path: log.path().to_owned(),
            log: log::shared(log),
            notify_socket: notify::socket(&settings.data, index),
            down,
            plain: Arc::clone(&settings.plain),
            ahead: None,
            tell,
            pid: None,
            waits_for: None,
            probes: Vec::new(),
            run: 0,
            start_ticks: None,
            started_at: None,
            ready_at: None,
            ended_at: None,
            answers: vec![(Ok(()), None); service.live.len()],
            last_check: None,
            service,
        }
    }

    /// `through` says that who starts it in our place is ready to. Why that did not do so, where it did not.
    pub(crate) fn spawn(&mut self, run: u32, through: bool) -> io::Result<Option<io::Error>> {
        self.stopping();
        self.run = run;
        // What an earlier run said would only repeat itself in the report of a failure.
        self.log.lock().unwrap_or_else(PoisonError::into_inner).forget();
        self.ready_at = None;
        self.waits_for = None;
        if let Some(file) = self.service.launch.lost() {
            let why = format!("`{}` is lost, and it would make another one", file.display());
            return Err(io::Error::other(why));
        }
        self.service.launch.clear().map_err(io::Error::other)?;
        let path = self.notify_socket.as_path();
        let waits = self.service.ready.iter().any(|probe| matches!(probe, Probe::Notify));
        let socket = if waits { Some(notify::listen(path)?) } else { None };
        let death = self.service.death();
        let path = waits.then_some(path);
        self.down.clear(&self.service.name).map_err(io::Error::other)?;
        let launch = &self.service.launch;
        let forked = launch.through.as_ref().filter(|_| through);
        let forked = forked.map(|it| job::fork(it, launch, &self.plain, death, path));
        let started = forked.or_else(|| self.ahead.take().map(Ahead::go));
        let (job, refused) = match started {
            Some(Ok(job)) => (job, None),
            Some(Err(error)) => (job::spawn(launch, &self.plain, death, path)?, Some(error)),
            None => (job::spawn(launch, &self.plain, death, path)?, None),
        };
        let job::Job { mut child, pid, output } = job;
        self.pid = Some(pid);
        let pid = pid.as_raw_nonzero().get().unsigned_abs();
        self.start_ticks = Stat::of(pid).map(|process| process.start_ticks);
        self.started_at = Some(now());
        let captured = tokio::spawn(log::capture(output, Arc::clone(&self.log)));
        let teller = self.teller();
        let (down, name) = (self.down.clone(), self.service.name.clone());
        tokio::spawn(async move {
            let exit = child.wait().await;
            down.mark(&name);
            drop(timeout(LAST_LINES, captured).await);
            teller.tell(Occurrence::Exited(exit)).await;
        });
        // A piece of work is done when it ends, not before.
        if self.service.restart != Restart::Never || !self.service.ready.is_empty() {
            let (teller, probes) = (self.teller(), self.service.ready.clone());
            let plain = Arc::clone(&self.plain);
            self.probes.push(tokio::spawn(become_ready(probes, socket, plain, teller)));
        }
        Ok(refused)
    }

    fn teller(&self) -> Teller {
        Teller { service: self.index, run: self.run, events: self.tell.clone() }
    }

    /// It is ready: from now on it is asked how it is.
    pub(crate) fn ready(&mut self) {
        self.ready_at = Some(now());
        self.waits_for = None;
        self.last_check = Some(now());
        self.answers.fill((Ok(()), None));
        for (number, live) in self.service.live.iter().cloned().enumerate() {
            let (teller, plain) = (self.teller(), Arc::clone(&self.plain));
            self.probes.push(tokio::spawn(async move {
                loop {
                    sleep(live.interval).await;
                    let answer = probe::ask(&live.probe, &plain).await;
                    teller.tell(Occurrence::Checked(number, answer)).await;
                }
            }));
        }
    }

    /// Keeps the answer of a live probe; true if they have been bad for too long.
    pub(crate) fn checked(&mut self, number: usize, answer: Answer) -> bool {
        self.last_check = Some(now());
        let Some((last, bad_since)) = self.answers.get_mut(number) else { return false };
        let since = *bad_since.get_or_insert_with(Instant::now);
        if answer.is_ok() {
            *bad_since = None;
        }
        if answer != *last {
            let name = &self.service.name;
            match &answer {
                Ok(()) => tracing::info!("`{name}` is well again"),
                Err(why) => tracing::warn!("`{name}` is not well: {why}"),
            }
        }
        let bad = answer.is_err();
        *last = answer;
        bad && self.service.live[number].restart_after.is_some_and(|limit| since.elapsed() >= limit)
    }

    /// It is being stopped: nobody asks it any more.
    pub(crate) fn stopping(&mut self) {
        self.probes.drain(..).for_each(|probe| probe.abort());
    }

    /// It has ended.
    pub(crate) fn ended(&mut self) {
        self.stopping();
        self.down.mark(&self.service.name);
        self.pid = None;
        self.ended_at = Some(now());
    }

    /// What it is asked for has changed; a process that runs is asked the questions of old.
    pub(crate) fn redefine(&mut self, service: Service) {
        self.service = service;
    }

    pub(crate) fn report(&self, unit: &state::Unit) -> Report {
        let running = unit.phase == Phase::Running;
        let wrong = self.answers.iter().find_map(|(answer, _)| answer.as_ref().err());
        let failing = matches!(unit.phase, Phase::Failed | Phase::Backoff);
        let words = || self.log.lock().unwrap_or_else(PoisonError::into_inner).last_words();
        let pid = self.pid.map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
        Report {
            state: unit.phase,
            wanted: unit.wanted,
            starter: self.service.starter.is_some(),
            awaits_restart: unit.awaits_restart,
            summary: self.service.summary.clone(),
            tags: self.service.tags.clone(),
            revision: self.service.revision.clone(),
            pid,
            start_ticks: pid.and(self.start_ticks),
            started_at: self.started_at.clone(),
            ready_at: if running { self.ready_at.clone() } else { None },
            runs: unit.run,
            restarts: unit.restarts,
            last_exit: unit
                .last_exit
                .clone()
                .map(|exit| Ended { exit, at: self.ended_at.clone().unwrap_or_default() }),
            health: self.last_check.clone().filter(|_| running).map(|last_check| Health {
                healthy: wrong.is_none(),
                last_check,
                endpoint: self.service.live.iter().find_map(|live| live.probe.address()),
                message: wrong.cloned(),
            }),
            waits_for: if running { None } else { self.waits_for.clone() },
            last_words: if failing { words() } else { Vec::new() },
            endpoints: self.service.endpoints.clone(),
            log: self.log_path.clone(),
        }
    }
}

struct Teller {
    service: usize,
    run: u32,
    events: mpsc::Sender<UnitEvent>,
}

impl Teller {
    async fn tell(&self, what: Occurrence) {
        let event = UnitEvent { service: self.service, run: self.run, what };
        drop(self.events.send(event).await);
    }
}

/// Waits for each sign in turn.
async fn become_ready(
    probes: Vec<Probe>,
    mut socket: Option<tokio::net::UnixDatagram>,
    plain: Arc<job::Variables>,
    teller: Teller,
) {
    for probe in probes {
        if matches!(probe, Probe::Notify) {
            if let Some(socket) = socket.take() {
                teller
                    .tell(Occurrence::WaitsFor("it has not said that it is ready".to_owned()))
                    .await;
                if notify::ready(socket).await.is_err() {
                    return;
                }
            }
            continue;
        }
        if let Probe::Lasts(time) = probe {
            sleep(time).await;
            continue;
        }
        let begun = Instant::now();
        let mut told = None;
        while let Err(why) = probe::ask(&probe, &plain).await {
            if told.as_ref() != Some(&why) {
                teller.tell(Occurrence::WaitsFor(why.clone())).await;
                told = Some(why);
            }
            sleep((begun.elapsed() / 10).clamp(FIRST_PAUSE, LONGEST_PAUSE)).await;
        }
    }
    teller.tell(Occurrence::Ready).await;
}
