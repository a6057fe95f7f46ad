//! The thread that owns the journal: requests that come while it flushes share the next flush.

use std::{
    collections::BTreeSet,
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::fs::inotify;
use tokio::sync::{mpsc::UnboundedSender, oneshot};

use super::{
    Error,
    answers::{self, Became},
    attachments, dead,
    entry::{Draft, Entry, What},
    folder,
    journal::{Found, Journal},
    segment::{intake_of, put_in},
};
use crate::{clock, data_dir::DataDir, files};

/// How often what is done with is flushed and removed.
const TIDY: Duration = Duration::from_secs(1);
/// A journal in which nothing waits is removed when nothing happened for so long.
const IDLE: Duration = Duration::from_mins(1);
/// How often answers that nobody came for are removed.
const SWEEP: Duration = Duration::from_hours(1);
/// What a message takes beside its content.
const AROUND: u64 = 512;

/// How many bytes wait to be sent, and how many may.
#[derive(Debug)]
pub(crate) struct Room {
    taken: AtomicU64,
    most: u64,
}

/// A part of it, given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    room: Arc<Room>,
    size: u64,
}

impl Room {
    pub(crate) fn new(most: u64) -> Arc<Self> {
        Arc::new(Self { taken: AtomicU64::new(0), most })
    }

    /// None where it is full. What was accepted before always has its place.
    pub(crate) fn place(self: &Arc<Self>, what: &What, always: bool) -> Option<Place> {
        let size = what.size() + AROUND;
        let place = Place { room: Arc::clone(self), size };
        let before = self.taken.fetch_add(size, Ordering::Relaxed);
        (always || before + size <= self.most).then_some(place)
    }
}

impl Room {
    fn is_full(&self) -> bool {
        self.taken.load(Ordering::Relaxed) >= self.most
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.taken.fetch_sub(self.size, Ordering::Relaxed);
    }
}

/// A message that is on the disk and not sent.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) entry: Entry,
    pub(super) place: Option<Place>,
    /// Whether it was there when this process began: it may have been sent before.
    pub(super) found: bool,
}

/// What somebody does not want to be sent any more, and is not done with.
#[derive(Clone, Debug, Default)]
pub(super) struct Unwanted(Arc<Mutex<BTreeSet<String>>>);

impl Unwanted {
    pub(super) fn has(&self, id: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }

    fn add(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
    }
}

/// Why nothing was accepted.
#[derive(Debug)]
pub(crate) enum Unaccepted {
    /// Another request had the same key and said something else.
    OtherBody,
    Disk(Arc<files::Error>),
}

/// What the thread is asked for.
#[derive(Debug)]
pub(crate) enum Job {
    Accept {
        draft: Box<Draft>,
        place: Place,
        /// The id of the message, also of one that came before with the same key.
        answer: oneshot::Sender<Result<String, Unaccepted>>,
    },
    /// It is this event.
    Sent(Box<Entry>, String),
    /// It was not sent, because nobody wants it any more.
    Unwanted(Box<Entry>),
    /// There may be something in the intake.
    Intake,
    /// It was refused for good, for this reason.
    Refused(Box<Entry>, String),
}

/// Milliseconds since the epoch.
pub(crate) fn now() -> u64 {
    u64::try_from(clock::now().as_millisecond()).unwrap_or_default()
}

/// Opens the journal and starts the thread; what waits goes to `waiting`, now and later.
pub(super) fn start(
    data: &DataDir,
    room: &Arc<Room>,
    waiting: UnboundedSender<Waiting>,
    unwanted: Unwanted,
) -> Result<Sender<Job>, Error> {
    let folder = folder(data)?;
    let (journal, Found { waiting: found, damaged }) = Journal::open(&folder, now())?;
    for kept in damaged {
        tracing::warn!(
            "the journal was damaged, and messages may be lost: what cannot be read is in `{}`",
            kept.display()
        );
    }
    answers::sweep(&folder);
    attachments::sweep(&folder)?;
    let (room, open) = (Arc::clone(room), BTreeSet::new());
    let data = data.clone();
    let mut writer = Writer { data, folder, journal, room, open, waiting, unwanted };
    let mut found: Vec<(Entry, bool)> = found.into_iter().map(|entry| (entry, true)).collect();
    // What is not wanted any more may be in the intake, and what is found must not be sent before that is
    // known.
    let fresh = writer.adopt();
    found.extend(fresh.into_iter().map(|entry| (entry, true)));
    if !found.is_empty() {
        tracing::info!("{} messages wait to be sent", found.len());
    }
    for (entry, found) in found {
        writer.pass_on(entry, None, found);
    }
    let (sender, jobs) = mpsc::channel();
    watch(&writer.folder, sender.clone());
    let thread = thread::Builder::new().name("journal".to_owned());
    thread.spawn(move || writer.run(&jobs)).map_err(Error::Thread)?;
    Ok(sender)
}

/// Says when a command has put something in. Where that cannot be watched it is looked for every second.
fn watch(outbox: &Path, jobs: Sender<Job>) {
    let folder = intake_of(outbox);
    let watched =
        files::private_folder(&folder).map_err(|error| error.to_string()).and_then(|()| {
            let events = inotify::init(inotify::CreateFlags::CLOEXEC);
            let events = events.map_err(|error| error.to_string())?;
            inotify::add_watch(&events, &folder, inotify::WatchFlags::MOVED_TO)
                .map(|_| File::from(events))
                .map_err(|error| error.to_string())
        });
    let mut events = match watched {
        Ok(events) => events,
        Err(error) => {
            tracing::warn!("`{}` is looked at every second: {error}", folder.display());
            return;
        }
    };
    let thread = thread::Builder::new().name("intake".to_owned());
    let spawned = thread.spawn(move || {
        let mut said = [0; 4096];
        while events.read(&mut said).is_ok() && jobs.send(Job::Intake).is_ok() {}
    });
    if let Err(error) = spawned {
        tracing::warn!("the intake is looked at every second: {error}");
    }
}

struct Writer {
    data: DataDir,
    folder: PathBuf,
    journal: Journal,
    room: Arc<Room>,
    /// What is not done with.
    open: BTreeSet<String>,
    waiting: UnboundedSender<Waiting>,
    unwanted: Unwanted,
}

/// Those that are answered together: what each of them asked for.
struct Asked {
    place: Place,
    answer: oneshot::Sender<Result<String, Unaccepted>>,
    /// The place of its message among the new ones; one with the key of another has the other's.
    at: usize,
    is_first: bool,
}

impl Writer {
    fn run(&mut self, jobs: &Receiver<Job>) {
        let (mut tidied, mut busy, mut failed) = (Instant::now(), Instant::now(), false);
        let mut swept = Instant::now();
        loop {
            match jobs.recv_timeout(TIDY) {
                Ok(first) => {
                    self.work([first].into_iter().chain(jobs.try_iter()));
                    busy = Instant::now();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if tidied.elapsed() >= TIDY {
                self.take_in();
                let cut = self.journal.cut(now(), busy.elapsed() >= IDLE);
                // Said once, and not every second until somebody mends it.
                if let (Err(error), false) = (&cut, failed) {
                    tracing::warn!("the journal cannot be cut: {error}");
                }
                failed = cut.is_err();
                tidied = Instant::now();
            }
            if swept.elapsed() >= SWEEP {
                answers::sweep(&self.folder);
                swept = Instant::now();
            }
        }
    }

    fn work(&mut self, jobs: impl Iterator<Item = Job>) {
        let (mut drafts, mut asked) = (Vec::<Draft>::new(), Vec::<Asked>::new());
        let (mut done, mut letters, mut intake) = (Vec::new(), Vec::new(), false);
        let mut sent = Vec::new();
        for job in jobs {
            match job {
                Job::Sent(entry, event) => {
                    if entry.draft.waited {
                        self.answer(&entry.id, &Became::Sent(event));
                    }
                    done.push(entry.id.clone());
                    sent.push(*entry);
                }
                Job::Unwanted(entry) => {
                    if entry.draft.waited {
                        self.answer(&entry.id, &Became::Dropped);
                    }
                    sent.push(*entry);
                }
                Job::Intake => intake = true,
                Job::Refused(entry, reason) => {
                    if entry.draft.waited {
                        self.answer(&entry.id, &Became::Refused(reason.clone()));
                    }
                    letters.push(dead::Letter { reason, entry: *entry });
                }
                Job::Accept { draft, place, answer } => {
                    let draft = *draft;
                    let key = draft.key.as_deref();
                    let hook = draft.hook.as_deref().unwrap_or_default();
                    let seen = key.and_then(|key| self.journal.seen(hook, key));
                    if let Some((id, body)) = seen {
                        let is_other = body.is_some() && body != draft.body.as_deref();
                        drop(answer.send(if is_other {
                            Err(Unaccepted::OtherBody)
                        } else {
                            Ok(id.to_owned())
                        }));
                        continue;
                    }
                    let same = |other: &Draft| {
                        key.is_some() && other.key.as_deref() == key && other.hook == draft.hook
                    };
                    let first = drafts.iter().position(same);
                    let of_first = first.and_then(|first| drafts.get(first));
                    if of_first.is_some_and(|first| first.body != draft.body) {
                        drop(answer.send(Err(Unaccepted::OtherBody)));
                        continue;
                    }
                    let at = first.unwrap_or(drafts.len());
                    if first.is_none() {
                        drafts.push(draft);
                    }
                    asked.push(Asked { place, answer, at, is_first: first.is_none() });
                }
            }
        }
        if !drafts.is_empty() {
            self.accept(drafts, asked);
        }
        if !letters.is_empty() {
            match dead::keep(&self.folder, &letters) {
                Ok(()) => done.extend(letters.into_iter().map(|letter| letter.entry.id)),
                // They are tried again after the next start.
                Err(error) => tracing::warn!("what was refused cannot be kept: {error}"),
            }
        }
        if !done.is_empty() {
            self.done(done);
        }
        self.forget_files(&sent);
        if intake {
            self.take_in();
        }
    }

    /// Notes that these are done with, each once.
    fn done(&mut self, mut ids: Vec<String>) {
        ids.retain(|id| self.open.remove(id));
        if let Err(error) = self.journal.done(&ids) {
            tracing::warn!("what was sent cannot be noted: {error}");
        }
    }

    /// The copies of files are needed until it is on the disk that they are not.
    fn forget_files(&mut self, sent: &[Entry]) {
        let is_file = |entry: &&Entry| matches!(entry.draft.what, What::File(_));
        let mut files = sent.iter().filter(is_file).peekable();
        if files.peek().is_some() && self.journal.flush().is_ok() {
            attachments::forget(&self.data, files);
        }
    }

    fn answer(&self, id: &str, became: &Became) {
        if let Err(error) = answers::put(&self.folder, id, became) {
            tracing::warn!("what became of a message cannot be said: {error}");
        }
    }

    fn pass_on(&mut self, entry: Entry, place: Option<Place>, found: bool) {
        let place = place.or_else(|| self.room.place(&entry.draft.what, true));
        self.open.insert(entry.id.clone());
        drop(self.waiting.send(Waiting { entry, place, found }));
    }

    fn take_in(&mut self) {
        for entry in self.adopt() {
            self.pass_on(entry, None, false);
        }
    }

    /// Takes over what commands have put in, as long as there is room for more.
    fn adopt(&mut self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for path in put_in(&self.folder) {
            if self.room.is_full() {
                break;
            }
            match self.journal.adopt(&path) {
                Ok(adopted) => {
                    entries.extend(adopted.entries);
                    if !adopted.dropped.is_empty() {
                        self.let_fall(adopted.dropped, &mut entries, &path);
                    }
                }
                Err(error) => {
                    tracing::warn!("what commands have left cannot be taken over: {error}");
                    break;
                }
            }
        }
        entries
    }

    /// What is not wanted any more is done with: noted before the wish is forgotten.
    fn let_fall(&mut self, ids: Vec<String>, entries: &mut Vec<Entry>, wish: &Path) {
        let fresh: BTreeSet<String> = entries.iter().map(|entry| entry.id.clone()).collect();
        entries.retain(|entry| !ids.contains(&entry.id));
        let known = |id: &String| self.open.contains(id) || fresh.contains(id);
        let ids: Vec<String> = ids.into_iter().filter(known).collect();
        for id in &ids {
            self.unwanted.add(id);
        }
        self.open.extend(ids.iter().cloned());
        self.done(ids);
        let gone = self.journal.flush().and_then(|()| files::remove(wish));
        if let Err(error) = gone {
            tracing::warn!("what is not wanted any more cannot be noted: {error}");
        }
    }

    fn accept(&mut self, drafts: Vec<Draft>, asked: Vec<Asked>) {
        match self.journal.accept(drafts) {
            Ok(entries) => {
                for Asked { place, answer, at, is_first } in asked {
                    let Some(entry) = entries.get(at) else { continue };
                    if is_first {
                        self.pass_on(entry.clone(), Some(place), false);
                    }
                    // Whoever has gone away has its message sent all the same.
                    drop(answer.send(Ok(entry.id.clone())));
                }
            }
            Err(error) => {
                tracing::warn!("nothing can be accepted: {error}");
                let error = Arc::new(error);
                for Asked { answer, .. } in asked {
                    drop(answer.send(Err(Unaccepted::Disk(Arc::clone(&error)))));
                }
            }
        }
    }
}
