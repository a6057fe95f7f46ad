//! What brings our own cluster back to any second of the days before: base backups of it, and all that it has
//! written since. PostgreSQL hands over each file of its log when that is full; a copy is kept beside the
//! cluster for as long as a base backup that is kept needs it.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{super::Error, cluster, clusters, runner::Runner};
use crate::{data_dir::DataDir, files};

/// How the names of base backups end.
const SUFFIX: &str = ".tar.zst";
const TIME: &str = "%Y%m%dT%H%M%SZ";
/// A file of the log has its timeline and its place as a name, in hexadecimal digits.
const TIMELINE: usize = 8;
const SEGMENT: usize = 24;

/// Where that of all clusters is.
fn root(data: &DataDir) -> PathBuf {
    data.postgres().join("history")
}

/// Where all of it is of a cluster of that major version: nothing of one helps another.
pub(super) fn of_major(data: &DataDir, major: u32) -> PathBuf {
    root(data).join(major.to_string())
}

/// Where all of it is of the cluster in use.
pub(crate) fn folder(data: &DataDir) -> PathBuf {
    of_major(data, clusters::current(data).unwrap_or_default())
}

/// What was written.
pub(super) fn log(data: &DataDir) -> PathBuf {
    folder(data).join("wal")
}

pub(super) fn bases(data: &DataDir) -> PathBuf {
    folder(data).join("base")
}

/// Where a cluster is made as it was at a moment.
pub(super) fn beside(data: &DataDir) -> PathBuf {
    data.postgres().join("recovering")
}

/// Makes the folders, for whoever runs the server to write into.
pub(super) fn prepare(data: &DataDir, runner: &Runner) -> Result<(), Error> {
    for folder in [root(data), folder(data), log(data), bases(data)] {
        if !folder.exists() {
            files::private_folder(&folder)?;
            runner.give(&folder)?;
        }
    }
    Ok(())
}

/// A path as a shell reads it, where PostgreSQL itself reads `%` first.
fn quoted(path: &Path) -> Result<String, Error> {
    let text = path.display().to_string().replace('%', "%%");
    match shlex::try_quote(&text) {
        Ok(quoted) => Ok(quoted.into_owned()),
        Err(_) => Err(Error::NotACluster(path.to_owned())),
    }
}

/// What PostgreSQL runs for each file: it is there whole, or PostgreSQL keeps its own and tries again. One of that
/// name with another content stays.
pub(super) fn archive_command(data: &DataDir) -> Result<String, Error> {
    let folder = quoted(&log(data))?;
    Ok(format!(
        "f={folder}/%f; if [ -e \"$f\" ]; then cmp -s %p \"$f\"; else cp %p \"$f.part\" && sync \"$f.part\" && mv \"$f.part\" \"$f\" && sync {folder}; fi"
    ))
}

/// What PostgreSQL runs to have a file back.
pub(super) fn restore_command(data: &DataDir) -> Result<String, Error> {
    Ok(format!("cp {}/%f %p", quoted(&log(data))?))
}

/// A base backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    pub(super) path: PathBuf,
    /// The first moment that can be reached with it.
    pub(crate) at: Timestamp,
    /// The first file of the log that it needs.
    segment: String,
}

impl Base {
    pub(super) fn new(data: &DataDir, at: Timestamp, segment: String) -> Self {
        let path = bases(data).join(format!("{}-{segment}{SUFFIX}", at.strftime(TIME)));
        Self { path, at, segment }
    }

    fn named(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_suffix(SUFFIX)?;
        let (at, segment) = name.split_once('-')?;
        let at = jiff::civil::DateTime::strptime(TIME, at).ok()?;
        let at = at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
        is_segment(segment).then(|| Self { path: path.to_owned(), at, segment: segment.to_owned() })
    }
}

fn is_segment(name: &str) -> bool {
    name.len() == SEGMENT && name.bytes().all(|it| it.is_ascii_hexdigit())
}

/// Those there are, oldest first.
pub(crate) fn list(data: &DataDir) -> Result<Vec<Base>, files::Error> {
    let paths = files::entries(&bases(data))?;
    let mut found: Vec<Base> = paths.iter().filter_map(|path| Base::named(path)).collect();
    found.sort_by_key(|base| base.at);
    Ok(found)
}

/// The one to begin with on the way to a moment.
pub(crate) fn before(bases: &[Base], at: Timestamp) -> Option<&Base> {
    bases.iter().rev().find(|base| base.at <= at)
}

/// How many of the oldest are no longer needed to reach each moment after `from`.
fn surplus(bases: &[Base], from: Timestamp) -> usize {
    bases.iter().rposition(|base| base.at <= from).unwrap_or(0)
}

/// Whether a file of the log was written before the one that is needed first, on whatever timeline. Files
/// that say how timelines follow each other are always needed.
fn is_older(name: &str, needed: &str) -> bool {
    let place = |name: &str| {
        let segment = name.get(..SEGMENT).filter(|segment| is_segment(segment))?;
        Some(segment[TIMELINE..].to_owned())
    };
    match (place(name), place(needed)) {
        (Some(name), Some(needed)) => name < needed,
        _ => false,
    }
}

/// How many files PostgreSQL has not handed over yet.
pub(crate) fn waiting(data: &DataDir) -> Result<usize, files::Error> {
    let marks = files::entries(&cluster(data).join("pg_wal/archive_status"))?;
    Ok(marks.iter().filter(|mark| mark.extension().is_some_and(|end| end == "ready")).count())
}

/// Removes what no moment after `from` needs.
pub(crate) fn prune(data: &DataDir, from: Timestamp) -> Result<(), files::Error> {
    let bases = list(data)?;
    let (old, kept) = bases.split_at(surplus(&bases, from));
    old.iter().try_for_each(|base| files::remove(&base.path))?;
    // Of a cluster that was replaced it goes with that.
    let there: Vec<PathBuf> = clusters::all(data).map(|it| of_major(data, it)).collect();
    for other in files::entries(&root(data))?.iter().filter(|path| !there.contains(path)) {
        files::remove(other)?;
    }
    let Some(first) = kept.first() else { return Ok(()) };
    for path in files::entries(&log(data))? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if is_older(&name, &first.segment) {
            files::remove(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::process;

    fn at(text: &str) -> Timestamp {
        format!("2026-11-{text}:00Z").parse().unwrap()
    }

    fn base(data: &DataDir, day: &str, place: u32) -> Base {
        Base::new(data, at(day), format!("00000001{place:016X}"))
    }

    #[test]
    fn what_the_oldest_base_that_is_needed_does_not_need_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        let write = |path: PathBuf| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            files::write_atomically(&path, b"x", files::PRIVATE).unwrap();
        };
        for (cluster, major) in [("data", "15"), ("data.14", "14")] {
            let path = data.postgres().join(cluster).join("PG_VERSION");
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            files::write_atomically(&path, major.as_bytes(), files::PRIVATE).unwrap();
        }
        for major in [13, 14] {
            write(of_major(&data, major).join("wal/000000010000000000000001"));
        }
        let made =
            [base(&data, "20T03:00", 4), base(&data, "21T03:00", 8), base(&data, "22T03:00", 12)];
        for base in &made {
            write(base.path.clone());
        }
        let file = |timeline: u32, place: u32| format!("{timeline:08X}{place:016X}");
        for place in 3..13 {
            write(log(&data).join(file(1, place)));
        }
        // Another timeline, what a base leaves there, and what says how timelines follow each other.
        for name in
            [&file(2, 7), &file(2, 9), &(file(1, 4) + ".00000028.backup"), "00000002.history"]
        {
            write(log(&data).join(name));
        }
        assert_eq!(list(&data).unwrap(), made);
        // Nothing reaches so far back: all is kept.
        prune(&data, at("19T12:00")).unwrap();
        assert_eq!(list(&data).unwrap().len(), 3);
        // Of clusters that are kept it stays, and of those that are gone it goes.
        assert!(of_major(&data, 14).exists() && !of_major(&data, 13).exists());
        prune(&data, at("21T12:00")).unwrap();
        assert_eq!(list(&data).unwrap(), made[1..]);
        let mut left: Vec<String> = files::entries(&log(&data))
            .unwrap()
            .iter()
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        left.sort();
        let mut expected: Vec<String> = (8..13).map(|place| file(1, place)).collect();
        expected.extend([file(2, 9), "00000002.history".to_owned()]);
        expected.sort();
        assert_eq!(left, expected);
        // The last one stays, however old it is.
        prune(&data, at("29T12:00")).unwrap();
        assert_eq!(list(&data).unwrap(), made[2..]);
    }

    #[test]
    fn a_moment_is_reached_from_the_last_base_before_it() {
        let data = DataDir::new("/a".into());
        let bases = [base(&data, "20T03:00", 4), base(&data, "21T03:00", 8)];
        assert_eq!(before(&bases, at("20T02:59")), None);
        assert_eq!(before(&bases, at("20T03:00")), Some(&bases[0]));
        assert_eq!(before(&bases, at("29T03:00")), Some(&bases[1]));
    }

    #[tokio::test]
    async fn what_is_copied_is_there_whole_and_overwrites_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().join("it's 100% ours"));
        fs::create_dir_all(log(&data)).unwrap();
        let cluster = folder.path().join("cluster");
        fs::create_dir_all(&cluster).unwrap();
        let source = folder.path().join("pg_wal");
        let run = async |content: &str| {
            files::write_atomically(&source, content.as_bytes(), files::PRIVATE).unwrap();
            // As PostgreSQL does it.
            let command = archive_command(&data).unwrap().replace("%p", "../pg_wal");
            let command = command.replace("%f", "0001").replace("%%", "%");
            let mut shell = process::command("sh");
            let ran = shell.arg("-c").arg(command).current_dir(&cluster).status();
            ran.await.unwrap().success()
        };
        assert!(run("one").await);
        assert_eq!(files::read(&log(&data).join("0001")).unwrap(), "one");
        assert!(run("one").await, "the same again is no error");
        assert!(!run("another").await, "another is");
        assert_eq!(files::read(&log(&data).join("0001")).unwrap(), "one");
        assert_eq!(files::entries(&log(&data)).unwrap().len(), 1);
    }
}
