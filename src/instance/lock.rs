//! The lock that every command holds which changes the installation: one after the other.

use tokio::time::Instant;

use crate::{data_dir::DataDir, files::Error, process::Lock};

/// Takes `run/instance.lock`, waiting for another command until `deadline`; `on_wait` is told once
/// who that is.
pub(crate) async fn wait(
    data: &DataDir,
    purpose: &str,
    deadline: Instant,
    on_wait: &mut dyn FnMut(&str),
) -> Result<Lock, Error> {
    Lock::acquire(&data.run().join("instance.lock"), purpose, deadline, on_wait).await
}
