//! What was accepted and not sent yet, on the disk: lines of JSON in segments, the newest of which is
//! appended to.
//!
//! Theory of operation. A line says that a message was accepted, or that one is done with. Lines that
//! accept are on the disk before anybody is told; lines that finish are flushed with the next of those
//! or a little later, since a message that is sent again has the same transaction id. A segment is
//! removed, the oldest first, when all of its messages are done with, so the folder is empty when
//! everything is sent. Ids start with what is random for a segment: one that follows another, or a lost
//! one, never has the same.
//!
//! What commands have put into the [`intake`](super::intake) is adopted: its file becomes a segment by its name alone. Such
//! a segment only accepts, so it may go as soon as it is done with, whatever is older.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::{
    entry::{Draft, Entry},
    keys::Seen,
    segment::{DAMAGED, END, Line, Read, append, epoch, epoch_of, is_of_command, named, paths},
};
use crate::files;

/// A segment that is as long as this is followed by another one.
const LONGEST: u64 = 4 << 20;
/// Where a segment is and how many of its messages are not done with.
#[derive(Debug)]
struct Segment {
    path: PathBuf,
    /// The random start of its ids.
    epoch: String,
    open: usize,
    /// The adopted segments of which it says that something is done with.
    marks: BTreeSet<String>,
    /// Whether keys have to be remembered when it goes.
    keyed: bool,
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
    /// By their epochs.
    adopted: BTreeMap<String, Segment>,
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

/// What a file of the intake had.
#[derive(Debug, Default)]
pub(super) struct Adopted {
    /// What is to be sent, in order.
    pub(super) entries: Vec<Entry>,
    /// What is not to be sent any more.
    pub(super) dropped: Vec<String>,
}

impl Journal {
    pub(super) fn open(folder: &Path, now: u64) -> Result<(Self, Found), files::Error> {
        files::private_folder(folder)?;
        let mut seen = Seen::load(folder);
        let (mut read, mut next) = (Read::default(), 1);
        let (mut segments, mut adopted) = (VecDeque::new(), BTreeMap::new());
        let mut damaged = Vec::new();
        for path in paths(folder) {
            let Some((number, epoch)) = named(&path) else { continue };
            // A power failure may have left anything behind what was flushed.
            let bytes = fs::read(&path).map_err(files::Error::io("read", &path))?;
            let before = read.skipped;
            let mut of_file = Read::default();
            of_file.lines(&String::from_utf8_lossy(&bytes));
            let marks = of_file.done.iter().filter_map(|id| epoch_of(id)).map(str::to_owned);
            let marks = marks.filter(|epoch| is_of_command(epoch)).collect();
            read.skipped += of_file.skipped;
            read.entries.append(&mut of_file.entries);
            read.done.append(&mut of_file.done);
            let torn = bytes.last().is_some_and(|end| *end != b'\n');
            if torn || read.skipped > before {
                // What it says may be all there is of a message that was accepted.
                let kept = path.with_extension(DAMAGED);
                files::write_atomically(&kept, &bytes, files::PRIVATE)?;
                damaged.push(kept);
            }
            next = next.max(number + 1);
            let segment = Segment { path, epoch, open: 0, marks, keyed: true };
            if is_of_command(&segment.epoch) {
                adopted.insert(segment.epoch.clone(), segment);
            } else {
                segments.push_back(segment);
            }
        }
        for entry in &read.entries {
            if let Some(key) = &entry.draft.key {
                seen.add(key, entry);
            }
        }
        seen.forget(now);
        let waiting = read.waiting();
        let folder = folder.to_owned();
        let mut journal = Self { folder, segments, adopted, active: None, next, seen };
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
        for draft in drafts {
            active.number += 1;
            let id = format!("{}-{}", segment.epoch, active.number);
            let line = Line::Accepted(Box::new(Entry { id, draft }));
            append(&mut text, &line);
            if let Line::Accepted(entry) = line {
                entries.push(*entry);
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
        self.remember(&entries);
        Ok(entries)
    }

    fn remember(&mut self, entries: &[Entry]) {
        for entry in entries {
            if let Some(key) = &entry.draft.key {
                self.seen.add(key, entry);
            }
        }
    }

    /// Takes a file of the intake over, whole, by its name alone. One that only says what is not wanted
    /// any more stays where it is until that is done.
    pub(super) fn adopt(&mut self, path: &Path) -> Result<Adopted, files::Error> {
        let mut read = Read::default();
        read.file(path)?;
        let Some((_, epoch)) = named(path) else { return Ok(Adopted::default()) };
        if read.entries.is_empty() {
            return Ok(Adopted { dropped: read.done.into_iter().collect(), ..Adopted::default() });
        }
        let to = self.folder.join(format!("{:08}-{epoch}{END}", self.next));
        fs::rename(path, &to).map_err(files::Error::io("take over", path))?;
        self.next += 1;
        let open = read.entries.len();
        let keyed = read.entries.iter().any(|entry| entry.draft.key.is_some());
        let segment =
            Segment { path: to, epoch: epoch.clone(), open, marks: BTreeSet::new(), keyed };
        self.adopted.insert(epoch, segment);
        self.remember(&read.entries);
        Ok(Adopted { entries: read.entries, dropped: Vec::new() })
    }

    /// Notes that these are done with. Where that cannot be written they are sent once more after the
    /// next start, which the homeserver takes for the same.
    pub(super) fn done(&mut self, ids: &[String]) -> Result<(), files::Error> {
        for id in ids {
            if let Some(segment) = self.segment(id) {
                segment.open = segment.open.saturating_sub(1);
            }
        }
        self.let_go(|segment| !segment.keyed)?;
        // What went with its file need not be marked.
        let kept = |id: &&String| {
            epoch_of(id)
                .is_none_or(|epoch| !is_of_command(epoch) || self.adopted.contains_key(epoch))
        };
        let ids: Vec<&String> = ids.iter().filter(kept).collect();
        if ids.is_empty() {
            return Ok(());
        }
        if self.active.is_none() {
            let is_done = |segment: &Segment| segment.open == 0;
            if self.adopted.is_empty() && self.segments.iter().all(is_done) {
                // What is about to be removed need not be marked first.
                return Ok(());
            }
            self.begin()?;
        }
        let (Some(active), Some(segment)) = (&mut self.active, self.segments.back_mut()) else {
            return Ok(());
        };
        let mut text = Vec::new();
        for id in ids {
            let epoch = epoch_of(id).filter(|epoch| is_of_command(epoch));
            segment.marks.extend(epoch.map(str::to_owned));
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
        self.flush()?;
        if self.adopted.values().any(|segment| segment.keyed && segment.open == 0) {
            // The keys outlive the messages.
            self.seen.forget(now);
            self.seen.save(&self.folder)?;
        }
        self.let_go(|_| true)?;
        let adopted = &self.adopted;
        let is_done = |segment: &Segment| {
            segment.open == 0 && segment.marks.iter().all(|epoch| !adopted.contains_key(epoch))
        };
        let all = whole && self.segments.iter().all(is_done);
        let held = usize::from(self.active.is_some() && !all);
        let free = self.segments.iter().take_while(|segment| is_done(segment)).count();
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

    pub(super) fn flush(&mut self) -> Result<(), files::Error> {
        if let Some(active) = self.active.as_mut().filter(|active| active.dirty) {
            active.file.sync_data().map_err(files::Error::io("write", &self.folder))?;
            active.dirty = false;
        }
        Ok(())
    }

    /// Removes adopted segments that are done with.
    fn let_go(&mut self, may: impl Fn(&Segment) -> bool) -> Result<(), files::Error> {
        let mut failed = Ok(());
        self.adopted.retain(|_, segment| {
            if segment.open > 0 || !may(segment) {
                return true;
            }
            let removed = files::remove(&segment.path);
            let stays = removed.is_err();
            failed = removed.and(std::mem::replace(&mut failed, Ok(())));
            stays
        });
        failed
    }

    fn segment(&mut self, id: &str) -> Option<&mut Segment> {
        let epoch = epoch_of(id)?;
        if let Some(adopted) = self.adopted.get_mut(epoch) {
            return Some(adopted);
        }
        self.segments.iter_mut().find(|segment| segment.epoch == epoch)
    }

    fn begin(&mut self) -> Result<(), files::Error> {
        let epoch = epoch();
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
        let marks = BTreeSet::new();
        self.segments.push_back(Segment { path, epoch, open: 0, marks, keyed: true });
        self.active = Some(Active { file, length: 0, number: 0, dirty: false });
        Ok(())
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
