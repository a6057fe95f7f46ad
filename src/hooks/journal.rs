//! What was accepted and not sent yet, on the disk: lines of JSON in segments, the newest of which is
//! appended to.
//!
//! Theory of operation. A line says that a message was accepted, or that one is done with. Lines that
//! accept are on the disk before anybody is told; lines that finish are flushed with the next of those
//! or a little later, since a message that is sent again has the same transaction id. A segment is
//! removed, the oldest first, when all of its messages are done with, so the folder is empty when
//! everything is sent. Transaction ids start with what is random for a segment: one that follows
//! another, or a lost one, never has the same.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use rand::RngExt as _;
use ruma::{OwnedRoomId, OwnedUserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::files;

/// A segment that is as long as this is followed by another one.
const LONGEST: u64 = 4 << 20;
/// How long a key of a request is remembered, in milliseconds: as long as Synapse knows a transaction.
const REMEMBERED: u64 = 24 * 60 * 60 * 1000;
/// How many keys are remembered at most.
const MOST_KEYS: usize = 100_000;
const END: &str = ".jsonl";
/// What a damaged segment is kept as.
const DAMAGED: &str = "damaged";

/// A message that was accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Of the journal, and with it the transaction id.
    pub(crate) id: String,
    pub(crate) hook: String,
    pub(crate) user: OwnedUserId,
    pub(crate) room: OwnedRoomId,
    pub(crate) content: Value,
    /// The hash of the key that the request had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// The hash of what a request with a key said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<String>,
    /// When it was accepted, in milliseconds since the epoch.
    pub(crate) at: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Accepted(Entry),
    Done(String),
}

/// Where a segment is and how many of its messages are not done with.
#[derive(Debug)]
struct Segment {
    path: PathBuf,
    /// The random start of its ids.
    epoch: String,
    open: usize,
}

/// The end that is appended to.
#[derive(Debug)]
struct Active {
    file: File,
    length: u64,
    /// The number of the last message.
    number: u64,
    /// Whether something is written that is not flushed.
    dirty: bool,
}

#[derive(Debug)]
pub(super) struct Journal {
    folder: PathBuf,
    /// Oldest first; the last one is the active one, if there is one.
    segments: VecDeque<Segment>,
    active: Option<Active>,
    next: u64,
    seen: Seen,
}

/// What a journal that was opened holds.
#[derive(Debug)]
pub(super) struct Found {
    /// What is not done with, in order.
    pub(super) waiting: Vec<Entry>,
    /// Copies of segments in which something cannot be read.
    pub(super) damaged: Vec<PathBuf>,
}

/// A message to be accepted.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) hook: String,
    pub(super) user: OwnedUserId,
    pub(super) room: OwnedRoomId,
    pub(super) content: Value,
    pub(super) key: Option<String>,
    pub(super) body: Option<String>,
    pub(super) at: u64,
}

/// What waits to be sent, without changing anything.
pub(crate) fn waiting(folder: &Path) -> Result<Vec<Entry>, files::Error> {
    let mut read = Read::default();
    for path in paths(folder) {
        match fs::read(&path) {
            Ok(bytes) => read.lines(&String::from_utf8_lossy(&bytes)),
            // One that is removed at this moment has nothing that waits.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(files::Error::io("read", &path)(error)),
        }
    }
    Ok(read.waiting())
}

/// The segments, oldest first.
fn paths(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_file = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_file());
    let mut paths: Vec<PathBuf> = entries
        .filter(is_file)
        .map(|entry| entry.path())
        .filter(|path| named(path).is_some())
        .collect();
    paths.sort();
    paths
}

/// Number and epoch out of `00000001-k3j9x2mq7a.jsonl`.
fn named(path: &Path) -> Option<(u64, String)> {
    let (number, epoch) = path.file_name()?.to_str()?.strip_suffix(END)?.split_once('-')?;
    Some((number.parse().ok()?, epoch.to_owned()))
}

#[derive(Default)]
struct Read {
    entries: Vec<Entry>,
    done: BTreeSet<String>,
    skipped: usize,
}

impl Read {
    /// Takes up whole lines; what stands behind the last line end was not finished.
    fn lines(&mut self, text: &str) {
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines() {
            match serde_json::from_str(line) {
                Ok(Line::Accepted(entry)) => self.entries.push(entry),
                Ok(Line::Done(id)) => drop(self.done.insert(id)),
                Err(_) => self.skipped += 1,
            }
        }
    }

    fn waiting(self) -> Vec<Entry> {
        let Self { mut entries, done, .. } = self;
        entries.retain(|entry| !done.contains(&entry.id));
        entries
    }
}

impl Journal {
    pub(super) fn open(folder: &Path, now: u64) -> Result<(Self, Found), files::Error> {
        files::private_folder(folder)?;
        let mut seen = Seen::load(folder);
        let (mut read, mut segments, mut next) = (Read::default(), VecDeque::new(), 1);
        let mut damaged = Vec::new();
        for path in paths(folder) {
            let Some((number, epoch)) = named(&path) else { continue };
            // A power failure may have left anything behind what was flushed.
            let bytes = fs::read(&path).map_err(files::Error::io("read", &path))?;
            let before = read.skipped;
            read.lines(&String::from_utf8_lossy(&bytes));
            let torn = bytes.last().is_some_and(|end| *end != b'\n');
            if torn || read.skipped > before {
                // What it says may be all there is of a message that was accepted.
                let kept = path.with_extension(DAMAGED);
                files::write_atomically(&kept, &bytes, files::PRIVATE)?;
                damaged.push(kept);
            }
            next = next.max(number + 1);
            segments.push_back(Segment { path, epoch, open: 0 });
        }
        for entry in &read.entries {
            if let Some(key) = &entry.key {
                seen.add(key, entry);
            }
        }
        seen.forget(now);
        let waiting = read.waiting();
        let mut journal = Self { folder: folder.to_owned(), segments, active: None, next, seen };
        for entry in &waiting {
            if let Some(segment) = journal.segment(&entry.id) {
                segment.open += 1;
            }
        }
        // Nothing is appended to a segment whose end may be torn.
        journal.cut(now, true)?;
        Ok((journal, Found { waiting, damaged }))
    }

    /// The id that a request with this key got before, and the hash of what it said, where that is known.
    pub(super) fn seen(&self, hook: &str, key: &str) -> Option<(&str, Option<&str>)> {
        self.seen.find(hook, key)
    }

    /// Has all of them on the disk, or none: with an error nothing was accepted.
    pub(super) fn accept(&mut self, drafts: Vec<Draft>) -> Result<Vec<Entry>, files::Error> {
        files::has_space(&self.folder)?;
        if self.active.is_none() {
            self.begin()?;
        }
        let (Some(active), Some(segment)) = (&mut self.active, self.segments.back_mut()) else {
            return Ok(Vec::new());
        };
        let mut text = Vec::new();
        let mut entries = Vec::with_capacity(drafts.len());
        for Draft { hook, user, room, content, key, body, at } in drafts {
            active.number += 1;
            let id = format!("{}-{}", segment.epoch, active.number);
            let line = Line::Accepted(Entry { id, hook, user, room, content, key, body, at });
            append(&mut text, &line);
            if let Line::Accepted(entry) = line {
                entries.push(entry);
            }
        }
        let written = active.file.write_all(&text).and_then(|()| active.file.sync_data());
        if let Err(error) = written {
            let undone = active.file.set_len(active.length).and_then(|()| active.file.sync_data());
            if undone.is_err() {
                // Its end is not known: it is left as it is.
                self.active = None;
            }
            return Err(files::Error::io("write", &segment.path)(error));
        }
        active.length += text.len() as u64;
        active.dirty = false;
        segment.open += entries.len();
        if active.length >= LONGEST {
            self.active = None;
        }
        for entry in &entries {
            if let Some(key) = &entry.key {
                self.seen.add(key, entry);
            }
        }
        Ok(entries)
    }

    /// Notes that these are done with. Where that cannot be written they are sent once more after the
    /// next start, which the homeserver takes for the same.
    pub(super) fn done(&mut self, ids: &[String]) -> Result<(), files::Error> {
        for id in ids {
            if let Some(segment) = self.segment(id) {
                segment.open = segment.open.saturating_sub(1);
            }
        }
        if self.active.is_none() {
            if self.segments.iter().all(|segment| segment.open == 0) {
                // What is about to be removed need not be marked first.
                return Ok(());
            }
            self.begin()?;
        }
        let (Some(active), Some(segment)) = (&mut self.active, self.segments.back()) else {
            return Ok(());
        };
        let mut text = Vec::new();
        for id in ids {
            append(&mut text, &Line::Done(id.clone()));
        }
        if let Err(error) = active.file.write_all(&text) {
            // Half a line would spoil the next one.
            if active.file.set_len(active.length).is_err() {
                self.active = None;
            }
            return Err(files::Error::io("write", &segment.path)(error));
        }
        active.length += text.len() as u64;
        active.dirty = true;
        Ok(())
    }

    /// Flushes what was only written, and removes what is done with; `whole`: also the segment that is
    /// appended to, where nothing waits.
    pub(super) fn cut(&mut self, now: u64, whole: bool) -> Result<(), files::Error> {
        if let Some(active) = &mut self.active
            && active.dirty
        {
            active.file.sync_data().map_err(files::Error::io("write", &self.folder))?;
            active.dirty = false;
        }
        let all = whole && self.segments.iter().all(|segment| segment.open == 0);
        let held = usize::from(self.active.is_some() && !all);
        let free = self.segments.iter().take_while(|segment| segment.open == 0).count();
        let free = free.min(self.segments.len() - held);
        if free == 0 {
            return Ok(());
        }
        // The keys outlive the messages.
        self.seen.forget(now);
        self.seen.save(&self.folder)?;
        if all {
            self.active = None;
        }
        for segment in self.segments.drain(..free) {
            files::remove(&segment.path)?;
        }
        Ok(())
    }

    fn segment(&mut self, id: &str) -> Option<&mut Segment> {
        let (epoch, _) = id.rsplit_once('-')?;
        self.segments.iter_mut().find(|segment| segment.epoch == epoch)
    }

    fn begin(&mut self) -> Result<(), files::Error> {
        const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        let mut random = rand::rng();
        let letter = |_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())]);
        let epoch: String = (0..12).map(letter).collect();
        let path = self.folder.join(format!("{:08}-{epoch}{END}", self.next));
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(files::PRIVATE)
            .open(&path)
            .map_err(files::Error::io("write", &path))?;
        // The name has to last as long as what is in it.
        let named = File::open(&self.folder).and_then(|folder| folder.sync_all());
        named.map_err(files::Error::io("write", &self.folder))?;
        self.next += 1;
        self.segments.push_back(Segment { path, epoch, open: 0 });
        self.active = Some(Active { file, length: 0, number: 0, dirty: false });
        Ok(())
    }
}

fn append(text: &mut Vec<u8>, line: &Line) {
    // A structure of texts and numbers always has a JSON.
    text.extend(serde_json::to_vec(line).unwrap_or_default());
    text.push(b'\n');
}

/// The keys of requests that were accepted lately.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Seen {
    /// By webhook and hash.
    ids: BTreeMap<String, (String, u64)>,
    /// The hashes of what they said.
    #[serde(default)]
    bodies: BTreeMap<String, String>,
    /// Oldest first.
    #[serde(skip)]
    order: VecDeque<(u64, String)>,
}

impl Seen {
    fn file(folder: &Path) -> PathBuf {
        folder.join("seen.json")
    }

    fn load(folder: &Path) -> Self {
        let file = Self::file(folder);
        let text = fs::read(&file).unwrap_or_default();
        let mut seen: Self = serde_json::from_slice(&text).unwrap_or_else(|error| {
            if !text.is_empty() {
                let kept = file.with_extension(DAMAGED);
                drop(fs::rename(&file, &kept));
                tracing::warn!(
                    "a repeat of what came before may be taken for something new: `{}` is damaged ({error})",
                    kept.display()
                );
            }
            Self::default()
        });
        let mut order: Vec<(u64, String)> =
            seen.ids.iter().map(|(name, (_, at))| (*at, name.clone())).collect();
        order.sort();
        seen.order = order.into();
        seen
    }

    fn save(&self, folder: &Path) -> Result<(), files::Error> {
        let path = Self::file(folder);
        if self.ids.is_empty() {
            return files::remove(&path);
        }
        let text = serde_json::to_vec(self).unwrap_or_default();
        files::write_atomically(&path, &text, files::PRIVATE)
    }

    fn find(&self, hook: &str, key: &str) -> Option<(&str, Option<&str>)> {
        let name = format!("{hook} {key}");
        let body = self.bodies.get(&name).map(String::as_str);
        self.ids.get(&name).map(|(id, _)| (id.as_str(), body))
    }

    fn add(&mut self, key: &str, entry: &Entry) {
        let Entry { hook, id, at, body, .. } = entry;
        let name = format!("{hook} {key}");
        if let Some(body) = body {
            self.bodies.insert(name.clone(), body.clone());
        }
        if self.ids.insert(name.clone(), (id.clone(), *at)).is_none() {
            self.order.push_back((*at, name));
        }
        if self.order.len() > MOST_KEYS {
            self.drop_oldest();
        }
    }

    fn forget(&mut self, now: u64) {
        while self.order.front().is_some_and(|(at, _)| at + REMEMBERED < now) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, name)) = self.order.pop_front() {
            self.ids.remove(&name);
            self.bodies.remove(&name);
        }
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
