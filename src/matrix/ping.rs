//! A bridge, asked through Synapse whether the two reach and believe each other.

use std::{path::PathBuf, time::Duration};

use ruma::{OwnedServerName, OwnedUserId};

use super::{Error, api::appservice_ping, client::Client, session::Session};
use crate::secret::Secret;

/// Why a bridge did not answer, as a clause.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Silent {
    #[error("Synapse cannot reach it at `{0}`")]
    Unreachable(String),
    #[error("it does not answer Synapse in time")]
    Slow,
    #[error("it rejects Synapse's hs_token: it runs with another registration")]
    WrongToken,
    #[error("it answers Synapse with {0}")]
    Status(String),
    /// It is there, but older than the question.
    #[error(
        "it was reached, but does not support the ping; whether it accepts Synapse shows with the first message"
    )]
    Unasked,
    #[error("Synapse does not know its as_token: it has not read this registration")]
    Unknown,
    #[error(transparent)]
    Matrix(#[from] Error),
}

/// Who asks.
pub(crate) struct Asks {
    /// Of the homeserver.
    pub(crate) url: String,
    /// Where it listens on one.
    pub(crate) socket: Option<PathBuf>,
    pub(crate) server_name: OwnedServerName,
    pub(crate) user_id: OwnedUserId,
    pub(crate) id: String,
    pub(crate) as_token: Secret,
    /// Where Synapse looks for the bridge.
    pub(crate) bridge: String,
}

/// Of the bridge's answer, as Synapse tells it: `HTTP 404 Not Found`.
fn status(message: &str) -> Option<u16> {
    message.strip_prefix("HTTP ")?.split(' ').next()?.parse().ok()
}

/// How long the bridge took to answer ([spec]).
///
/// [spec]: https://spec.matrix.org/latest/application-service-api/#post_matrixclientv1appserviceappserviceidping
pub(crate) async fn ping(asks: Asks, timeout: Duration) -> Result<Duration, Silent> {
    let Asks { url, socket, server_name, user_id, id, as_token, bridge } = asks;
    let device_id = String::new();
    let (access_token, dendrite) = (as_token, false);
    let session = Session { url, server_name, user_id, device_id, access_token, dendrite };
    let client = Client::through(socket, session, timeout)?;
    let asked = client.send(appservice_ping::Request { appservice_id: id.into() }).await;
    asked.map(|answer| Duration::from_millis(answer.duration_ms)).map_err(|error| match &error {
        Error::Refused { errcode, message, .. } => match errcode.as_str() {
            "M_CONNECTION_FAILED" => Silent::Unreachable(bridge),
            "M_CONNECTION_TIMEOUT" => Silent::Slow,
            "M_BAD_STATUS" => match status(message) {
                Some(401 | 403) => Silent::WrongToken,
                Some(404 | 405) => Silent::Unasked,
                _ => Silent::Status(message.clone()),
            },
            "M_UNKNOWN_TOKEN" | "M_FORBIDDEN" => Silent::Unknown,
            _ => error.into(),
        },
        _ => error.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_a_bridge_is_told_by_its_status_not_by_its_words() {
        assert_eq!(status("HTTP 404 Not Found"), Some(404));
        assert_eq!(status("HTTP 502 it said 403"), Some(502));
        assert_eq!((status("HTTP"), status("403 HTTP ")), (None, None));
    }
}
