//! Reads what was written: the last lines of several services in the order in which they were
//! written, and the lines that come after them.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::Serialize;

use super::rotated;
use crate::files;

/// How much of the end of a file is read before all of it is: enough for so many usual lines.
const USUAL_LINE: u64 = 1024;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub(crate) struct Line {
    /// When it was written, RFC 3339; none for a line of a file that is not a service's.
    pub(crate) time: Option<String>,
    pub(crate) service: String,
    pub(crate) message: String,
}

/// The names of the logs in that folder.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>, files::Error> {
    let read = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(files::Error::io("read the folder", folder))?,
    };
    let files = read.flatten();
    let name =
        |file: fs::DirEntry| file.file_name().to_str()?.strip_suffix(".log").map(str::to_owned);
    let mut names: Vec<String> = files.filter_map(name).collect();
    names.sort();
    Ok(names)
}

fn file_of(folder: &Path, service: &str) -> PathBuf {
    folder.join(format!("{service}.log"))
}

/// The last `count` lines of these services, or all since a moment; and which logs cannot be read.
pub(crate) fn tail(
    folder: &Path,
    services: &[String],
    count: usize,
    since: Option<Timestamp>,
) -> (Vec<Line>, Vec<files::Error>) {
    let since = since.map(|since| since.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string());
    let (mut lines, mut unread) = (Vec::new(), Vec::new());
    for service in services {
        match last_of(&file_of(folder, service), service, count, since.as_deref()) {
            Ok(last) => lines.extend(last),
            Err(error) => unread.push(error),
        }
    }
    // Stable: lines of the same moment, and lines without one, stay as they are.
    lines.sort_by(|a: &Line, b: &Line| a.time.cmp(&b.time));
    lines.drain(..lines.len().saturating_sub(count));
    (lines, unread)
}

fn last_of(
    path: &Path,
    service: &str,
    count: usize,
    since: Option<&str>,
) -> Result<Vec<Line>, files::Error> {
    let mut lines: Vec<Line> = Vec::new();
    for number in 0.. {
        let file = if number == 0 { path.to_owned() } else { rotated(path, number) };
        let text = match end_of(&file, count) {
            Ok(text) => text,
            // It is being rotated just now.
            Err(error) if error.kind() == io::ErrorKind::NotFound && number == 0 => continue,
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(files::Error::io("read", &file)(error)),
        };
        let mut older = parse(&text, service);
        older.append(&mut lines);
        lines = older;
        let reached = since.is_some_and(|since| {
            lines.iter().find_map(|line| line.time.as_deref()).is_some_and(|time| time < since)
        });
        if lines.len() >= count || reached {
            break;
        }
    }
    if let Some(since) = since {
        lines.retain(|line| line.time.as_deref().is_some_and(|time| time >= since));
    }
    lines.drain(..lines.len().saturating_sub(count));
    Ok(lines)
}

/// The end of a file that is likely to hold so many lines, or all of it.
fn end_of(path: &Path, count: usize) -> io::Result<String> {
    let mut file = files::open(path)?;
    let size = file.metadata()?.len();
    let likely = (count as u64).saturating_add(64).saturating_mul(USUAL_LINE);
    let mut bytes = Vec::new();
    if likely < size {
        file.seek(SeekFrom::Start(size - likely))?;
        file.read_to_end(&mut bytes)?;
        let whole = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
        bytes.drain(..whole);
        if bytes.split(|byte| *byte == b'\n').count() > count {
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        }
        bytes.clear();
        file.rewind()?;
    }
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Lines with the time that `log` put before them; one without gets that of the line above.
fn parse(text: &str, service: &str) -> Vec<Line> {
    let mut last: Option<String> = None;
    let line = |line: &str| {
        let (time, message) = match line.split_once(' ') {
            Some((time, message)) if is_time(time) => (Some(time.to_owned()), message),
            _ => (last.clone(), line),
        };
        last.clone_from(&time);
        Line { time, service: service.to_owned(), message: message.to_owned() }
    };
    text.lines().map(line).collect()
}

/// `2026-11-21T05:20:00.123Z`
fn is_time(word: &str) -> bool {
    word.len() == 24 && word.ends_with('Z') && word.parse::<Timestamp>().is_ok()
}

/// Lines that are written from now on.
pub(crate) struct Follower {
    services: Vec<Followed>,
}

struct Followed {
    name: String,
    path: PathBuf,
    file: Option<File>,
    /// The beginning of a line whose end is not written yet.
    begun: String,
}

impl Follower {
    pub(crate) fn new(folder: &Path, services: &[String]) -> Self {
        let followed = |name: &String| {
            let path = file_of(folder, name);
            let mut file = files::open(&path).ok();
            if let Some(file) = &mut file {
                drop(file.seek(SeekFrom::End(0)));
            }
            Followed { name: name.clone(), path, file, begun: String::new() }
        };
        Self { services: services.iter().map(followed).collect() }
    }

    /// What is new; nothing, if nothing is.
    pub(crate) fn more(&mut self) -> Vec<Line> {
        let mut lines: Vec<Line> = self.services.iter_mut().flat_map(Followed::more).collect();
        lines.sort_by(|a, b| a.time.cmp(&b.time));
        lines
    }
}

impl Followed {
    fn more(&mut self) -> Vec<Line> {
        self.read();
        // A log that was rotated has been read to its end by now; go on with the new one.
        let inode = |file: &File| file.metadata().map(|metadata| metadata.ino()).ok();
        let there = fs::metadata(&self.path).map(|metadata| metadata.ino()).ok();
        if there.is_some() && self.file.as_ref().and_then(inode) != there {
            self.file = files::open(&self.path).ok();
            self.read();
        }
        let whole = self.begun.rfind('\n').map_or(0, |at| at + 1);
        let rest = self.begun.split_off(whole);
        let text = std::mem::replace(&mut self.begun, rest);
        parse(&text, &self.name)
    }

    fn read(&mut self) {
        let mut bytes = Vec::new();
        if let Some(file) = &mut self.file
            && file.read_to_end(&mut bytes).is_ok()
        {
            self.begun.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// In its place: who follows it has it open.
    fn write(folder: &Path, name: &str, text: &str) {
        File::create(folder.join(name)).unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn messages(lines: &[Line]) -> Vec<&str> {
        lines.iter().map(|line| line.message.as_str()).collect()
    }

    #[test]
    fn the_lines_of_several_services_come_in_the_order_of_time() {
        let folder = tempfile::tempdir().unwrap();
        let at = |second: u8, text: &str| format!("2026-11-21T05:20:0{second}.000Z {text}\n");
        write(folder.path(), "a.log.1", &at(1, "one"));
        write(folder.path(), "a.log", &(at(3, "three") + "and more\n"));
        write(folder.path(), "b.log", &(at(2, "two") + &at(4, "four")));
        let services = names(folder.path()).unwrap();
        assert_eq!(services, ["a", "b"]);
        let lines = tail(folder.path(), &services, 50, None).0;
        assert_eq!(messages(&lines), ["one", "two", "three", "and more", "four"]);
        let lines = tail(folder.path(), &services, 2, None).0;
        assert_eq!(messages(&lines), ["and more", "four"]);
        fs::rename(folder.path().join("b.log"), folder.path().join("b.log.1")).unwrap();
        let since = Some("2026-11-21T05:20:02Z".parse().unwrap());
        let lines = tail(folder.path(), &services, 50, since).0;
        assert_eq!(messages(&lines), ["two", "three", "and more", "four"]);
    }

    #[test]
    fn following_goes_on_when_a_log_is_rotated() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "a.log", "old\n");
        let mut follower = Follower::new(folder.path(), &["a".to_owned()]);
        assert_eq!(follower.more(), []);
        let path = folder.path().join("a.log");
        write(folder.path(), "a.log", "old\nnew\nbeg");
        assert_eq!(messages(&follower.more()), ["new"]);
        write(folder.path(), "a.log", "old\nnew\nbegun\n");
        fs::rename(&path, rotated(&path, 1)).unwrap();
        write(folder.path(), "a.log", "newest\n");
        assert_eq!(messages(&follower.more()), ["begun", "newest"]);
    }
}
