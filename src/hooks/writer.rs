//! The thread that owns the journal: requests that come while it flushes share the next flush.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc::UnboundedSender, oneshot};

use super::{
    Error, dead,
    journal::{Draft, Entry, Found, Journal},
};
use crate::{clock, data_dir::DataDir, files};

/// How often what is done with is flushed and removed.
const TIDY: Duration = Duration::from_secs(1);
/// A journal in which nothing waits is removed when nothing happened for so long.
const IDLE: Duration = Duration::from_mins(1);
/// What a message takes beside its content.
const AROUND: u64 = 512;

/// How many bytes wait to be sent, and how many may.
#[derive(Debug)]
pub(super) struct Room {
    taken: AtomicU64,
    most: u64,
}

/// A part of it, given back when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    room: Arc<Room>,
    size: u64,
}

impl Room {
    pub(super) fn new(most: u64) -> Arc<Self> {
        Arc::new(Self { taken: AtomicU64::new(0), most })
    }

    /// None where it is full. What was accepted before always has its place.
    pub(super) fn place(
        self: &Arc<Self>,
        content: &serde_json::Value,
        always: bool,
    ) -> Option<Place> {
        let size = content.to_string().len() as u64 + AROUND;
        let place = Place { room: Arc::clone(self), size };
        let before = self.taken.fetch_add(size, Ordering::Relaxed);
        (always || before + size <= self.most).then_some(place)
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
}

/// Why nothing was accepted.
#[derive(Debug)]
pub(super) enum Unaccepted {
    /// Another request had the same key and said something else.
    OtherBody,
    Disk(Arc<files::Error>),
}

/// What the thread is asked for.
#[derive(Debug)]
pub(super) enum Job {
    Accept {
        draft: Draft,
        place: Place,
        /// The id of the message, also of one that came before with the same key.
        answer: oneshot::Sender<Result<String, Unaccepted>>,
    },
    Sent(String),
    /// It was refused for good, for this reason.
    Refused(Box<Entry>, String),
}

/// Milliseconds since the epoch.
pub(super) fn now() -> u64 {
    u64::try_from(clock::now().as_millisecond()).unwrap_or_default()
}

/// Opens the journal and starts the thread; what waits goes to `waiting`, now and later.
pub(super) fn start(
    data: &DataDir,
    room: &Arc<Room>,
    waiting: UnboundedSender<Waiting>,
) -> Result<Sender<Job>, Error> {
    let folder = data.hook_journal();
    let (journal, Found { waiting: found, damaged }) = Journal::open(&folder, now())?;
    for kept in damaged {
        tracing::warn!(
            "the journal was damaged, and messages may be lost: what cannot be read is in `{}`",
            kept.display()
        );
    }
    if !found.is_empty() {
        tracing::info!("{} messages wait to be sent", found.len());
    }
    for entry in found {
        let place = room.place(&entry.content, true);
        drop(waiting.send(Waiting { entry, place }));
    }
    let (sender, jobs) = mpsc::channel();
    let mut writer = Writer { folder, journal, waiting };
    let thread = thread::Builder::new().name("journal".to_owned());
    thread.spawn(move || writer.run(&jobs)).map_err(Error::Thread)?;
    Ok(sender)
}

struct Writer {
    folder: std::path::PathBuf,
    journal: Journal,
    waiting: UnboundedSender<Waiting>,
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
                let cut = self.journal.cut(now(), busy.elapsed() >= IDLE);
                // Said once, and not every second until somebody mends it.
                if let (Err(error), false) = (&cut, failed) {
                    tracing::warn!("the journal cannot be cut: {error}");
                }
                failed = cut.is_err();
                tidied = Instant::now();
            }
        }
    }

    fn work(&mut self, jobs: impl Iterator<Item = Job>) {
        let (mut drafts, mut asked) = (Vec::<Draft>::new(), Vec::<Asked>::new());
        let (mut done, mut letters) = (Vec::new(), Vec::new());
        for job in jobs {
            match job {
                Job::Sent(id) => done.push(id),
                Job::Refused(entry, reason) => letters.push(dead::Letter { reason, entry: *entry }),
                Job::Accept { draft, place, answer } => {
                    let key = draft.key.as_deref();
                    let seen = key.and_then(|key| self.journal.seen(&draft.hook, key));
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
        if !done.is_empty()
            && let Err(error) = self.journal.done(&done)
        {
            tracing::warn!("what was sent cannot be noted: {error}");
        }
    }

    fn accept(&mut self, drafts: Vec<Draft>, asked: Vec<Asked>) {
        match self.journal.accept(drafts) {
            Ok(entries) => {
                for Asked { place, answer, at, is_first } in asked {
                    let Some(entry) = entries.get(at) else { continue };
                    if is_first {
                        let place = Some(place);
                        drop(self.waiting.send(Waiting { entry: entry.clone(), place }));
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
