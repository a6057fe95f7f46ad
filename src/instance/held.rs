//! The lock that every command holds which changes the installation: one after the other.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    config::paths::DataDir,
    files::{Error, Lock},
};

/// Takes `run/instance.lock`, waiting for another command until `deadline`; `on_wait` is told once
/// who that is.
pub(crate) async fn wait(
    data: &DataDir,
    purpose: &str,
    deadline: Instant,
    on_wait: &mut dyn FnMut(&str),
) -> Result<Lock, Error> {
    let path = data.run().join("instance.lock");
    let mut told = false;
    loop {
        match Lock::try_acquire(&path, purpose) {
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
