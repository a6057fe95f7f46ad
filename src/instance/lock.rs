//! Locks that are waited for; above all the one that every command holds which changes the
//! installation: one after the other.

use std::{path::Path, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{data_dir::DataDir, files::Error, process::Lock};

/// Takes `run/instance.lock`, waiting for another command until `deadline`; `on_wait` is told once
/// who that is.
pub(crate) async fn wait(
    data: &DataDir,
    purpose: &str,
    deadline: Instant,
    on_wait: &mut dyn FnMut(&str),
) -> Result<Lock, Error> {
    at(&data.run().join("instance.lock"), purpose, deadline, on_wait).await
}

/// The same with a lock of another name.
pub(crate) async fn at(
    path: &Path,
    purpose: &str,
    deadline: Instant,
    on_wait: &mut dyn FnMut(&str),
) -> Result<Lock, Error> {
    let mut told = false;
    loop {
        match Lock::try_acquire(path, purpose) {
            Err(Error::Held { holder, .. }) if Instant::now() < deadline => {
                if !told {
                    on_wait(&holder);
                    told = true;
                }
                sleep(Duration::from_millis(50)).await;
            }
            other => return other,
        }
    }
}
