//! Files written whole or not at all, and private folders.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::{
        DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink,
    },
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    fs::{CWD, FileType, RenameFlags, renameat_with, syncfs},
    io::Errno,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::error::{Explain, Kind};

/// The mode of what only the owner may read.
pub(crate) const PRIVATE: u32 = 0o600;
/// The mode of what anybody may read.
pub(crate) const PUBLIC: u32 = 0o644;

/// For an open that must not wait for a writer.
pub(crate) const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();

/// What to do about a full disk.
pub(crate) const FREE_SPACE: &str = "free some disk space, then run it again";

/// Less room than this and PostgreSQL may stop in the middle of something, in bytes.
pub(crate) const LEAST_SPACE: u64 = 64 << 20;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot {action} `{}`", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("`{}` is not valid UTF-8", .0.display())]
    NotText(PathBuf),
    #[error("`{}` is a device, a pipe or a socket, not a file", .0.display())]
    NotAFile(PathBuf),
    #[error("`{}` is larger than {} MB", path.display(), largest >> 20)]
    TooLarge { path: PathBuf, largest: u64 },
    #[error("`{}` belongs to another user", .0.display())]
    Foreign(PathBuf),
    #[error("`{}` is held by {holder}", path.display())]
    Held { path: PathBuf, holder: String },
    #[error("the disk of `{}` is full: {} MB are left", path.display(), left >> 20)]
    Full { path: PathBuf, left: u64 },
}

impl Error {
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    pub(crate) fn is_full_disk(&self) -> bool {
        match self {
            Self::Full { .. } => true,
            Self::Io { source, .. } => source.kind() == io::ErrorKind::StorageFull,
            _ => false,
        }
    }

    /// For `map_err`: what was tried on which path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        Kind::Environment
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull => Some(FREE_SPACE.into()),
                io::ErrorKind::PermissionDenied => {
                    Some("run it as somebody who may use that path, or name another one; MATRIX_SYNAPSE_DATA_DIR names another data folder".into())
                }
                io::ErrorKind::ReadOnlyFilesystem => {
                    Some("name a folder that can be written; MATRIX_SYNAPSE_DATA_DIR names another data folder".into())
                }
                io::ErrorKind::FileTooLarge => Some(
                    "files may not grow so large here: `ulimit -f unlimited` lets them, and not every disk has room for large ones".into(),
                ),
                io::ErrorKind::TimedOut => {
                    Some("name a file, or see that what writes into it runs".into())
                }
                io::ErrorKind::IsADirectory => Some("it is a folder, and a file is needed".into()),
                _ => None,
            },
            Self::NotText(_) => Some("save it as UTF-8, or put it back from a backup".into()),
            Self::NotAFile(_) | Self::TooLarge { .. } => Some("name another file".into()),
            Self::Foreign(_) => Some("remove it, or run this as its owner".into()),
            Self::Full { .. } => Some(FREE_SPACE.into()),
            Self::Held { .. } => Some("wait until that command is done, then run it again".into()),
        }
    }
}

/// No file of settings, secrets or lines is larger; what is larger is the wrong file.
const LARGEST_TEXT: u64 = 64 << 20;

/// The mark that some editors put before a text.
const MARK: char = '\u{feff}';

/// Reads a whole text file of ours: a regular one, for a pipe without a writer would never end.
pub(crate) fn read(path: &Path) -> Result<String, Error> {
    read_as_it_is(path).map(without_mark)
}

/// The same of a file that another program reads as well: with the mark that it may begin with.
pub(crate) fn read_as_it_is(path: &Path) -> Result<String, Error> {
    text(path, read_bytes(path, LARGEST_TEXT, &[FileType::RegularFile])?)
}

/// How long something is waited for in a pipe, where nobody says how long.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Reads a text that a person named: a file, or a pipe such as a shell's `<(…)`.
pub(crate) fn read_input(path: &Path, patience: Duration) -> Result<String, Error> {
    text(path, read_named(path, LARGEST_TEXT, patience)?).map(without_mark)
}

fn text(path: &Path, bytes: Vec<u8>) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|_| Error::NotText(path.to_owned()))
}

/// Whether a text begins with a byte order mark, which is no part of it.
pub(crate) fn is_marked(text: &str) -> bool {
    text.starts_with(MARK)
}

pub(crate) fn without_mark(mut text: String) -> String {
    if is_marked(&text) {
        text.drain(..MARK.len_utf8());
    }
    text
}

/// Opens a regular file to read it; nothing else is waited for.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    regular(OpenOptions::new().read(true).custom_flags(NONBLOCK).open(path))
}

/// Opens a log to write at its end. A pipe would hold us until somebody reads it.
pub(crate) fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(PRIVATE).custom_flags(NONBLOCK);
    regular(options.open(path))
}

fn regular(opened: io::Result<File>) -> io::Result<File> {
    let no_file = || Err(io::Error::other("it is a folder, a device, a pipe or a socket"));
    let other = [Errno::NXIO, Errno::ISDIR].map(Errno::raw_os_error);
    match opened {
        Ok(file) if file.metadata()?.is_file() => Ok(file),
        Ok(_) => no_file(),
        Err(error) if error.raw_os_error().is_some_and(|code| other.contains(&code)) => no_file(),
        Err(error) => Err(error),
    }
}

/// Reads a file that a person named, or a pipe in which something comes within this time, again and again.
pub(crate) fn read_named(path: &Path, largest: u64, patience: Duration) -> Result<Vec<u8>, Error> {
    read_kind(path, largest, &[FileType::RegularFile, FileType::Fifo], patience)
}

/// Reads a file of one of these kinds, at most `largest` bytes.
pub(crate) fn read_bytes(path: &Path, largest: u64, kinds: &[FileType]) -> Result<Vec<u8>, Error> {
    read_kind(path, largest, kinds, PATIENCE)
}

fn read_kind(
    path: &Path,
    largest: u64,
    kinds: &[FileType],
    patience: Duration,
) -> Result<Vec<u8>, Error> {
    // A pipe that nobody writes to would hold us here.
    let file = OpenOptions::new().read(true).custom_flags(NONBLOCK).open(path);
    let file = file.map_err(|error| match error.raw_os_error() {
        // What a socket, and a device without its driver, says.
        Some(code) if code == Errno::NXIO.raw_os_error() => Error::NotAFile(path.to_owned()),
        _ => Error::io("read", path)(error),
    })?;
    let metadata = file.metadata().map_err(Error::io("read", path))?;
    let kind = FileType::from_raw_mode(metadata.mode());
    // A folder gets the system's own words.
    if kind != FileType::Directory && !kinds.contains(&kind) {
        return Err(Error::NotAFile(path.to_owned()));
    }
    // Not by its length alone: that of a pipe, and of a file that grows, is another.
    if metadata.len() > largest {
        return Err(Error::TooLarge { path: path.to_owned(), largest });
    }
    let bytes = if kind == FileType::Fifo {
        piped(&file, largest + 1, patience)
    } else {
        let mut bytes = Vec::new();
        file.take(largest + 1).read_to_end(&mut bytes).map(|_| bytes)
    };
    let bytes = bytes.map_err(Error::io("read", path))?;
    if bytes.len() as u64 > largest {
        return Err(Error::TooLarge { path: path.to_owned(), largest });
    }
    Ok(bytes)
}

/// Reads a pipe to its end. Nobody knows when more comes: one in which nothing does is given up.
fn piped(pipe: &File, largest: u64, patience: Duration) -> io::Result<Vec<u8>> {
    /// How long somebody may take to open it.
    const OPENED: Duration = Duration::from_secs(10);
    let gave_up = |why: String| Err(io::Error::new(io::ErrorKind::TimedOut, why));
    let since = Instant::now();
    let is_met = comes(pipe, patience.min(OPENED))?;
    let (mut bytes, mut left) = (Vec::new(), patience.saturating_sub(since.elapsed()));
    loop {
        let before = bytes.len();
        match pipe.take(largest - before as u64).read_to_end(&mut bytes) {
            Ok(_) if bytes.is_empty() && !is_met => {
                return gave_up("nobody writes into this pipe".to_owned());
            }
            Ok(_) => return Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if bytes.len() > before {
                    left = patience;
                }
                if !comes(pipe, left)? {
                    let seconds = patience.as_secs();
                    return gave_up(format!(
                        "for {seconds} seconds nothing came through this pipe"
                    ));
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether something comes through a pipe, or its end.
fn comes(pipe: &File, patience: Duration) -> io::Result<bool> {
    let patience = Timespec::try_from(patience).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
    Ok(rustix::event::poll(&mut [PollFd::new(pipe, PollFlags::IN)], Some(&patience))? > 0)
}

/// Whether files could be made in a folder: it may be written, and there is space.
pub(crate) fn can_grow(folder: &Path) -> Result<(), Error> {
    use rustix::fs::Access;
    rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| Error::io("write", folder)(error.into()))?;
    has_space(folder)
}

/// The same, where a missing file is nothing unusual.
pub(crate) fn read_if_exists(path: &Path) -> Result<Option<String>, Error> {
    match read(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The same for what this program makes anew at any time: one that is damaged is as good as none, and is
/// made way for.
pub(crate) fn read_made(path: &Path) -> Result<Option<String>, Error> {
    match read_if_exists(path) {
        Err(Error::NotText(_) | Error::TooLarge { .. } | Error::NotAFile(_)) => {
            tracing::warn!("`{}` is damaged and is made anew", path.display());
            remove(path)?;
            Ok(None)
        }
        read => read,
    }
}

/// Exchanges what two names stand for, at once; both names are on the disk afterwards.
pub(crate) fn exchange(one: &Path, other: &Path) -> Result<(), Error> {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)
        .map_err(|error| Error::io("exchange", other)(error.into()))?;
    [one, other].map(folder_of).iter().try_for_each(|folder| {
        let saved = File::open(folder).and_then(|folder| folder.sync_all());
        saved.map_err(Error::io("save", folder))
    })
}

/// Waits until all that was written to the disk of a folder is on it.
pub(crate) fn settle(folder: &Path) -> Result<(), Error> {
    let opened = File::open(folder).map_err(Error::io("read", folder))?;
    syncfs(opened).map_err(|error| Error::io("save", folder)(error.into()))
}

/// How far something is, as [`write_note`] wrote it; nothing where there is no such file or it cannot be read.
pub(crate) fn read_note<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let text = read_made(path)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// Writes down how far something is, for a run after this one is killed.
pub(crate) fn write_note(path: &Path, note: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_vec(note).map_err(|error| Error::io("write", path)(error.into()))?;
    write_atomically(path, &text, PRIVATE)
}

/// A path as it is meant in every folder, without links.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Error> {
    fs::canonicalize(path).map_err(Error::io("read", path))
}

/// What is in a folder, sorted; nothing where there is none.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let read = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(Error::io("read the folder", folder))?,
    };
    let mut paths = Vec::new();
    for entry in read {
        paths.push(entry.map_err(Error::io("read the folder", folder))?.path());
    }
    paths.sort();
    Ok(paths)
}

/// Whether something is there; an error where that cannot be seen.
pub(crate) fn exists(path: &Path) -> Result<bool, Error> {
    path.try_exists().map_err(Error::io("read", path))
}

/// Writes a neighbour, flushes it to the disk, and renames it over `path`: a reader sees the old
/// file or the new one, and a full disk leaves the old one.
pub(crate) fn write_atomically(path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    let mut file = Growing::beside(path, mode)?;
    file.write(content)?;
    file.finish()
}

/// A file that is written piece by piece, and is there whole or not at all.
pub(crate) struct Growing {
    file: File,
    path: PathBuf,
    temporary: PathBuf,
    /// How much was written since it was last begun to be flushed, in bytes.
    unsettled: usize,
    /// Flushes what was written before, beside what goes on.
    settles: Option<JoinHandle<io::Result<()>>>,
}

/// How much of a file waits to be flushed, in bytes: at the end of a long one only the last of it is waited for.
const UNSETTLED: usize = 64 << 20;

impl Growing {
    /// Begins it as a neighbour of what it is to be.
    pub(crate) fn beside(path: &Path, mode: u32) -> Result<Self, Error> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Nobody else can know it before, and what is there already is not ours.
        let number: u64 = rand::random();
        let temporary = format!(".{name}.{}-{number:016x}", std::process::id());
        let temporary = folder_of(path).join(temporary);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(mode);
        let file = options.open(&temporary).map_err(Error::io("write", path))?;
        let path = path.to_owned();
        let growing = Self { file, path, temporary, unsettled: 0, settles: None };
        let mode = growing.file.set_permissions(fs::Permissions::from_mode(mode));
        mode.map_err(Error::io("write", &growing.path))?;
        Ok(growing)
    }

    pub(crate) fn write(&mut self, content: &[u8]) -> Result<(), Error> {
        let written = io::Write::write_all(self, content);
        written.map_err(Error::io("write", &self.path))
    }

    /// Flushes it to the disk and puts it in the place of what is there.
    pub(crate) fn finish(self) -> Result<(), Error> {
        self.placed(|from, to| fs::rename(from, to))
    }

    /// The same where nothing is there; what came there meanwhile stays.
    pub(crate) fn finish_new(self) -> Result<(), Error> {
        self.placed(|from, to| {
            match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
                // Not every file system can do that.
                Err(Errno::INVAL | Errno::NOSYS) => fs::rename(from, to),
                done => Ok(done?),
            }
        })
    }

    /// The same for one of many: whoever wrote them all flushes them.
    pub(crate) fn finish_unflushed(self) -> Result<(), Error> {
        fs::rename(&self.temporary, &self.path).map_err(Error::io("write", &self.path))
    }

    /// Waits for what is being flushed: what went wrong there is told once, and to nobody else.
    fn settled(&mut self) -> io::Result<()> {
        let Some(settles) = self.settles.take() else { return Ok(()) };
        settles.join().unwrap_or_else(|_| Err(io::Error::other("it was not flushed")))
    }

    fn placed(mut self, rename: impl FnOnce(&Path, &Path) -> io::Result<()>) -> Result<(), Error> {
        let placed = (|| {
            self.settled()?;
            self.file.sync_all()?;
            rename(&self.temporary, &self.path)?;
            File::open(folder_of(&self.path))?.sync_all()
        })();
        placed.map_err(Error::io("write", &self.path))
    }
}

impl io::Write for Growing {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        let written = self.file.write(content)?;
        self.unsettled += written;
        if self.unsettled > UNSETTLED && self.settles.as_ref().is_none_or(JoinHandle::is_finished) {
            self.settled()?;
            self.unsettled = 0;
            let file = self.file.try_clone()?;
            self.settles = Some(thread::spawn(move || file.sync_data()));
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        // What has its name is no longer there.
        drop(fs::remove_file(&self.temporary));
    }
}

/// A file for what nobody else may see, without a name: it is gone with whoever wrote it.
pub(crate) fn nameless(folder: &Path) -> Result<File, Error> {
    let number: u64 = rand::random();
    let path = folder.join(format!(".nameless.{}-{number:016x}", std::process::id()));
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(PRIVATE);
    let file = options.open(&path).map_err(Error::io("write", &path))?;
    fs::remove_file(&path).map_err(Error::io("remove", &path))?;
    Ok(file)
}

/// A name alone lies in the current folder.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        parent => parent.unwrap_or(Path::new("/")),
    }
}

/// Removes what [`write_atomically`] left in a folder when it was killed.
pub(crate) fn sweep(folder: &Path) {
    /// Younger ones may be those of somebody whom we cannot see.
    const OLD: Duration = Duration::from_mins(1);
    swept(folder, |path| {
        fs::symlink_metadata(path)
            .and_then(|found| found.modified())
            .is_ok_and(|written| written.elapsed().is_ok_and(|age| age > OLD))
    });
}

/// The same at once, for what begins like this and is written under a lock that we have.
pub(crate) fn sweep_own(folder: &Path, name: &str) {
    let start = format!(".{name}");
    swept(folder, |path| {
        path.file_name().is_some_and(|it| it.to_string_lossy().starts_with(&start))
    });
}

fn swept(folder: &Path, may_go: impl Fn(&Path) -> bool) {
    for path in entries(folder).unwrap_or_default() {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let writer = name.starts_with('.').then(|| name.rsplit_once('.')?.1.split_once('-'));
        let Some(Some((pid, number))) = writer else { continue };
        let is_ours = number.len() == 16 && pid.parse::<u32>().is_ok();
        if is_ours && may_go(&path) && !Path::new("/proc").join(pid).exists() {
            // It is in nobody's way.
            drop(fs::remove_file(&path));
        }
    }
}

/// Whether a file that a person named may take the place of what is there: a file or nothing. A device,
/// a pipe or a link is meant to be something else.
pub(crate) fn may_be_replaced(path: &Path) -> Result<(), Error> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => {
            let source = io::Error::other("it is a folder, a device, a pipe, a socket or a link");
            Err(Error::Io { action: "write", path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// How many bytes the disk of a path has left.
pub(crate) fn space_left(path: &Path) -> Result<u64, Error> {
    let disk = rustix::fs::statvfs(path).map_err(|error| Error::io("read", path)(error.into()))?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Whether a server can go on writing there.
pub(crate) fn has_space(path: &Path) -> Result<(), Error> {
    let left = space_left(path)?;
    if left < LEAST_SPACE { Err(Error::Full { path: path.to_owned(), left }) } else { Ok(()) }
}

/// Whether a file holds exactly this.
pub(crate) fn holds(path: &Path, content: &[u8]) -> bool {
    read_bytes(path, content.len() as u64, &[FileType::RegularFile]).is_ok_and(|it| it == content)
}

/// Writes only what differs; true if it did.
pub(crate) fn write_if_changed(path: &Path, content: &[u8], mode: u32) -> Result<bool, Error> {
    if holds(path, content) {
        return Ok(false);
    }
    write_atomically(path, content, mode)?;
    Ok(true)
}

/// Makes a folder of mode 0700 with its parents; one that is there must be ours.
pub(crate) fn private_folder(path: &Path) -> Result<(), Error> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(Error::io("make the folder", path))?;
    let metadata = fs::symlink_metadata(path).map_err(Error::io("read", path))?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(Error::Foreign(path.to_owned()));
    }
    // To pass through is no more than to know a name below: the embedded PostgreSQL's account does.
    if metadata.is_dir() && metadata.permissions().mode() & 0o066 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
            .map_err(Error::io("protect", path))?;
    }
    Ok(())
}

/// Removes a file or a whole folder; nothing there is fine.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::Io { action: "remove", path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

/// Has a link lead to a folder beside it, from one moment to the next; what else was there goes away.
pub(crate) fn link(link: &Path, folder: &Path) -> Result<(), Error> {
    let Some(target) = folder.file_name() else { return Ok(()) };
    if fs::read_link(link).is_ok_and(|link| link.as_os_str() == target) {
        return Ok(());
    }
    if fs::symlink_metadata(link).is_ok_and(|it| it.is_dir()) {
        remove(link)?;
    }
    let new = link.with_extension(format!("new-{}", std::process::id()));
    remove(&new)?;
    symlink(target, &new).map_err(Error::io("make", &new))?;
    fs::rename(&new, link).map_err(Error::io("replace", link))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_with_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_atomically(&path, b"one", PUBLIC).unwrap();
        write_atomically(&path, b"two", PRIVATE).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, PRIVATE);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_mark_before_a_text_is_no_part_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for (content, text) in
            [("\u{feff}a\u{feff}", "a\u{feff}"), ("\u{feff}", ""), ("", ""), ("a", "a")]
        {
            write_atomically(&path, content.as_bytes(), PRIVATE).unwrap();
            assert_eq!(read(&path).unwrap(), text);
            assert_eq!(read_input(&path, PATIENCE).unwrap(), text);
            assert_eq!(read_as_it_is(&path).unwrap(), content);
        }
    }

    #[test]
    fn what_a_killed_writer_left_is_swept_away_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let old = std::time::SystemTime::now() - Duration::from_hours(1);
        let names = [
            ".settings.yaml.4194304-00112233445566aa",
            ".settings.yaml.1-00112233445566aa",
            ".settings.yaml.4194304-short",
            ".env",
            "settings.yaml",
        ];
        for name in names {
            let path = folder.path().join(name);
            write_atomically(&path, b"x", PRIVATE).unwrap();
            File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        }
        let fresh = folder.path().join(".settings.yaml.4194304-00112233445566bb");
        write_atomically(&fresh, b"x", PRIVATE).unwrap();
        sweep(folder.path());
        let left: Vec<String> = entries(folder.path())
            .unwrap()
            .iter()
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(left.len(), 5, "{left:?}");
        assert!(!left.iter().any(|name| name == names[0]), "{left:?}");
        sweep_own(folder.path(), "other");
        assert_eq!(entries(folder.path()).unwrap().len(), 5);
        sweep_own(folder.path(), "settings");
        assert!(!fresh.exists() && entries(folder.path()).unwrap().len() == 4);
    }

    #[test]
    fn what_is_made_anew_may_be_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("note");
        assert_eq!(read_made(&path).unwrap(), None);
        write_atomically(&path, b"text", PRIVATE).unwrap();
        assert_eq!(read_made(&path).unwrap().as_deref(), Some("text"));
        write_atomically(&path, b"\xff\xfe", PRIVATE).unwrap();
        assert_eq!(read_made(&path).unwrap(), None);
        assert!(!path.exists());
    }

    #[test]
    fn a_pipe_is_read_as_long_as_something_comes_and_never_hangs() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, 0o600.into(), 0).unwrap();
        let brief = Duration::from_millis(50);
        let why = |read: Result<Vec<u8>, Error>| match read {
            Err(Error::Io { source, .. }) => source.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(why(read_named(&pipe, 100, brief)), "nobody writes into this pipe");
        // Whoever opens it and then falls silent.
        let mut silent = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
        for _ in 0..2 {
            let said = why(read_named(&pipe, 100, brief));
            assert_eq!(said, "for 0 seconds nothing came through this pipe");
            silent.write_all(b"a").unwrap();
        }
        drop(silent);
        let patience = Duration::from_secs(30);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut slow = OpenOptions::new().write(true).open(&pipe).unwrap();
                slow.write_all(&[b'x'; 50]).unwrap();
                thread::sleep(brief);
                slow.write_all(&[b'y'; 50]).unwrap();
            });
            assert_eq!(read_named(&pipe, 100, patience).unwrap().len(), 100);
        });
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut endless = OpenOptions::new().write(true).open(&pipe).unwrap();
                while endless.write_all(&[b'x'; 50]).is_ok() {}
            });
            let read = read_named(&pipe, 100, patience);
            assert!(matches!(read, Err(Error::TooLarge { .. })), "{read:?}");
        });
    }

    #[test]
    fn what_is_no_file_of_ours_is_neither_waited_for_nor_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(matches!(read(&pipe), Err(Error::NotAFile(_))));
        for path in [pipe.as_path(), folder.path(), Path::new("/dev/null")] {
            assert!(open(path).is_err() && append(path).is_err(), "{}", path.display());
        }
        let _reader = OpenOptions::new().read(true).custom_flags(NONBLOCK).open(&pipe).unwrap();
        assert!(append(&pipe).is_err());
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(matches!(read(&socket), Err(Error::NotAFile(_))));
        let sparse = folder.path().join("sparse");
        File::create(&sparse).unwrap().set_len(3 << 30).unwrap();
        assert!(matches!(read(&sparse), Err(Error::TooLarge { .. })));
        for path in [pipe, sparse] {
            assert!(write_if_changed(&path, b"x", PRIVATE).unwrap());
            assert_eq!(read(&path).unwrap(), "x");
            assert!(!write_if_changed(&path, b"x", PRIVATE).unwrap());
        }
    }
}
