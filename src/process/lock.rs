//! A lock on a file that says which process holds it.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::Identity;
use crate::files::{self, Error};

/// Between two tries to get a lock that another process holds.
const PAUSE: Duration = Duration::from_millis(20);

/// An exclusive lock on a file, held as long as this lives; the kernel drops it with the process,
/// so it cannot go stale.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// What the file of a lock says, as JSON: the process that took it last.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    #[serde(flatten)]
    process: Identity,
    /// `manage install`, …
    purpose: String,
}

impl Lock {
    /// Takes the lock or says at once who has it. `purpose` (`manage install`, …) is what another
    /// caller will be told.
    pub(crate) fn try_acquire(path: &Path, purpose: &str) -> Result<Self, Error> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(files::PRIVATE)
            .open(path)
            .map_err(Error::io("open the lock", path))?;
        let mut taken = file.try_lock();
        // Somebody may be looking whether it is held: that takes no time.
        for _ in 0..3 {
            if !matches!(taken, Err(TryLockError::WouldBlock)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
            taken = file.try_lock();
        }
        match taken {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let read = file.read_to_string(&mut text).is_ok();
                let holder = if read { shown(text.trim()) } else { shown("") };
                return Err(Error::Held { path: path.to_owned(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", path)(error)),
        }
        // A full disk must not stop a lock: the name of the holder is only a courtesy.
        drop(note(&mut file, purpose));
        Ok(Self { _file: file })
    }

    /// The same, but another holder is waited for until `deadline`; `on_wait` is told once who that is.
    pub(crate) async fn acquire(
        path: &Path,
        purpose: &str,
        deadline: Instant,
        on_wait: &mut (impl FnMut(&str) + ?Sized),
    ) -> Result<Self, Error> {
        let mut told = false;
        loop {
            match Self::try_acquire(path, purpose) {
                Err(Error::Held { holder, .. }) if Instant::now() < deadline => {
                    if !told {
                        on_wait(&holder);
                        told = true;
                    }
                    sleep(PAUSE).await;
                }
                other => return other,
            }
        }
    }

    /// One of a few locks in a folder: of several that make the thing of this name, one makes it and the others
    /// wait. None where it cannot be had; `what` names the files.
    pub(crate) async fn of_name(
        folder: &Path,
        what: &str,
        name: &str,
        purpose: &str,
        deadline: Instant,
        on_wait: &mut (impl FnMut(&str) + ?Sized),
    ) -> Option<Self> {
        /// Few files, and different names seldom wait for each other.
        const LOCKS: u32 = 16;
        let number = name.bytes().map(u32::from).sum::<u32>() % LOCKS;
        let path = folder.join(format!("{what}-{number}.lock"));
        Self::acquire(&path, purpose, deadline, on_wait).await.ok()
    }

    /// Whether a lock is there that nobody holds; whoever held it has ended. Costs three system calls.
    pub(crate) fn is_left(path: &Path) -> Result<bool, Error> {
        match OpenOptions::new().read(true).custom_flags(files::NONBLOCK).open(path) {
            Ok(file) => Ok(file.try_lock_shared().is_ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::io("open the lock", path)(error)),
        }
    }

    /// Whether somebody holds it now.
    pub(crate) fn is_held(path: &Path) -> Result<bool, Error> {
        Ok(path.exists() && !Self::is_left(path)?)
    }
}

fn note(file: &mut File, purpose: &str) -> io::Result<()> {
    // Whatever happens from here on, it names nobody who does not hold it.
    file.set_len(0)?;
    file.rewind()?;
    let Some(process) = Identity::of(std::process::id()) else { return Ok(()) };
    let holder = Holder { process, purpose: purpose.to_owned() };
    writeln!(file, "{}", serde_json::to_string(&holder)?)
}

/// The holder for people. Earlier versions wrote just that: ``` `manage start` (pid 123) ```.
fn shown(text: &str) -> String {
    match serde_json::from_str::<Holder>(text) {
        Ok(Holder { process, purpose }) => format!("`{purpose}` (pid {})", process.pid),
        Err(_) if text.is_empty() => "another process".to_owned(),
        Err(_) => text.to_owned(),
    }
}

/// The process that the file of a lock names; none where that is not proved, as in a file of an earlier
/// version, which has no more than a pid.
pub(crate) fn holder(path: &Path) -> Option<Identity> {
    let holder: Holder = serde_json::from_str(&files::read(path).ok()?).ok()?;
    Some(holder.process).filter(|process| process.is_alive())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_names_its_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = Lock::try_acquire(&path, "manage install").unwrap();
        let refusal = Lock::try_acquire(&path, "manage start").unwrap_err().to_string();
        let pid = std::process::id();
        assert!(
            refusal.ends_with(&format!("is held by `manage install` (pid {pid})")),
            "{refusal}"
        );
        assert_eq!(holder(&path), Identity::of(pid));
        assert!(!Lock::is_left(&path).unwrap());
        drop(held);
        // A program that another test starts holds it too, for the moment between its fork and its exec.
        while !Lock::is_left(&path).unwrap() {
            std::thread::yield_now();
        }
        assert!(!Lock::is_left(&folder.path().join("none")).unwrap());
        Lock::try_acquire(&path, "manage start").unwrap();
    }

    #[test]
    fn only_a_process_that_started_when_the_lock_says_is_its_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let me = Identity::of(std::process::id()).unwrap();
        let said = |text: &str| {
            files::write_atomically(&path, text.as_bytes(), files::PRIVATE).unwrap();
            let held = File::open(&path).unwrap();
            held.lock().unwrap();
            let Err(Error::Held { holder: said, .. }) = Lock::try_acquire(&path, "") else {
                panic!("nobody holds it");
            };
            (said, holder(&path))
        };
        let sentence = format!("`daemon supervise` (pid {})", me.pid);
        let text = |start_ticks| {
            let process = Identity { start_ticks, ..me };
            let holder = Holder { process, purpose: "daemon supervise".to_owned() };
            serde_json::to_string(&holder).unwrap()
        };
        assert_eq!(said(&text(me.start_ticks)), (sentence.clone(), Some(me)));
        assert_eq!(said(&text(me.start_ticks + 1)), (sentence.clone(), None));
        assert_eq!(said(&(sentence.clone() + "\n")), (sentence, None), "of an earlier version");
        assert_eq!(said(""), ("another process".to_owned(), None));
    }
}
