//! What a predecessor left: a server that still runs, or files that say so although it does not.
//!
//! PostgreSQL takes any live process with the pid in `postmaster.pid` for itself, which after a reboot
//! or in a new container is somebody else and blocks the start. We look closer: a process of this
//! cluster has the cluster as its current folder.

use std::{fs, os::unix::net::UnixStream, path::Path, time::Duration};

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::{super::Error, cluster, socket_folder};
use crate::{data_dir::DataDir, files, process};

/// How long orphans of a killed server may take to notice.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it may take to hear that whoever started it is gone, and then to write all it has.
const NOTICE: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(20);

/// The pid of this cluster's server, if it runs.
pub(crate) fn running(data: &DataDir) -> Option<u32> {
    let noted = files::read_if_exists(&cluster(data).join("postmaster.pid")).ok()??;
    let pid: u32 = noted.lines().next()?.trim().parse().ok()?;
    is_of(pid, &fs::canonicalize(cluster(data)).ok()?).then_some(pid)
}

/// Whether a server answers on the cluster's socket: where it runs in a container, its process is none of ours, and
/// what its lock file says of it is about other processes.
pub(crate) fn answers(data: &DataDir) -> bool {
    let all = fs::read_dir(socket_folder(data)).into_iter().flatten().flatten();
    let is_socket = |path: &std::path::PathBuf| path.extension().is_none_or(|it| it != "lock");
    all.map(|file| file.path()).filter(is_socket).any(|path| UnixStream::connect(path).is_ok())
}

/// Waits for one that is being stopped: whoever was killed leaves it, and it writes what it has first. One that
/// is not is an error.
pub(crate) async fn ended(data: &DataDir) -> Result<(), Error> {
    let begun = Instant::now();
    while let Some(pid) = running(data) {
        if begun.elapsed() > (if is_ending(data) { LONGEST } else { NOTICE }) {
            return Err(Error::Running(pid));
        }
        sleep(PAUSE).await;
    }
    Ok(())
}

/// The last line of its note is what it does
/// (<https://www.postgresql.org/docs/current/storage-file-layout.html>).
fn is_ending(data: &DataDir) -> bool {
    let noted = files::read_if_exists(&cluster(data).join("postmaster.pid"));
    noted.is_ok_and(|it| it.is_some_and(|it| it.lines().any(|line| line.trim() == "stopping")))
}

/// Ends a server of this cluster that nobody keeps; true if there was one. The caller holds the
/// supervisor's lock, or it would end a server in use.
pub(crate) async fn stop_stray(data: &DataDir, patience: Duration) -> Result<bool, Error> {
    let Some(pid) = running(data) else { return Ok(false) };
    for (signal, patience) in [(Signal::INT, patience), (Signal::QUIT, PATIENCE)] {
        // It may have ended meanwhile.
        process::signal(pid, signal);
        let until = Instant::now() + patience;
        while running(data).is_some() {
            if Instant::now() > until {
                break;
            }
            sleep(PAUSE).await;
        }
        if running(data).is_none() {
            return Ok(true);
        }
    }
    Err(Error::Stuck(pid))
}

/// Waits until the server and all its processes are gone.
pub(super) async fn gone(data: &DataDir) -> Result<(), Error> {
    ended(data).await?;
    let Ok(place) = fs::canonicalize(cluster(data)) else { return Ok(()) };
    let until = Instant::now() + PATIENCE;
    while let Some(pid) = process_of(&place) {
        if Instant::now() > until {
            return Err(Error::Stuck(pid));
        }
        sleep(PAUSE).await;
    }
    Ok(())
}

/// Removes the lock files of a server that is gone.
pub(super) async fn clear(data: &DataDir) -> Result<(), Error> {
    let lock = cluster(data).join("postmaster.pid");
    let sockets = socket_folder(data);
    let left: Vec<_> = fs::read_dir(&sockets).into_iter().flatten().flatten().collect();
    if !lock.exists() && left.is_empty() {
        return Ok(());
    }
    if running(data).is_none() && answers(data) {
        return Err(Error::Elsewhere(sockets));
    }
    gone(data).await?;
    files::remove(&lock)?;
    left.iter().try_for_each(|file| files::remove(&file.path()))?;
    Ok(())
}

/// Some process of the cluster in `place`.
fn process_of(place: &Path) -> Option<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .find(|pid| is_of(*pid, place))
}

fn is_of(pid: u32, place: &Path) -> bool {
    let named =
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "postgres");
    named && fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|folder| folder == place)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[tokio::test]
    async fn a_server_that_answers_is_in_use_whatever_its_lock_file_says() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        for place in [socket_folder(&data), cluster(&data)] {
            fs::create_dir_all(place).unwrap();
        }
        // As a container writes it: the number of a process here that is another one.
        let lock = cluster(&data).join("postmaster.pid");
        files::write_atomically(&lock, b"1\n", files::PRIVATE).unwrap();
        let listener = UnixListener::bind(socket_folder(&data).join(".s.PGSQL.5432")).unwrap();
        assert!(answers(&data));
        let error = clear(&data).await.unwrap_err();
        assert!(error.to_string().contains("another server of this cluster answers"), "{error}");
        assert!(lock.exists());
        drop(listener);
        assert!(!answers(&data));
        clear(&data).await.unwrap();
        assert!(!lock.exists());
    }
}
