//! Our own server for the duration of some work.

use tokio::time::Instant;

use super::{Error, embedded, target};
use crate::config::Config;

/// Does something for which a server must run: our own one runs for its duration.
pub(crate) async fn with_server<T>(
    config: &Config,
    deadline: Instant,
    work: impl AsyncFnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    let data = &config.data;
    if !target(config)?.is_embedded()
        || embedded::running(data).is_some()
        || embedded::answers(data)
    {
        return work().await;
    }
    let server = embedded::Temporary::start(config, deadline).await?;
    let result = work().await;
    server.stop().await?;
    result
}
