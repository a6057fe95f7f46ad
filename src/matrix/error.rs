//! What can go wrong between us and the server, and what to type next.

use std::time::Duration;

use crate::{
    error::{Explain, Kind},
    files,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the homeserver cannot be reached at `{url}`")]
    Unreachable { url: String, source: reqwest::Error },
    #[error("the homeserver at `{url}` gave no answer within {} seconds", waited.as_secs())]
    Deadline { url: String, waited: Duration },
    /// The request may have had its effect: only a repeat with the same transaction id is harmless.
    #[error("it is unknown whether the homeserver at `{url}` did it")]
    Unknown { url: String, source: Box<Self> },
    #[error("the connection to `{url}` was lost")]
    Lost { url: String, source: reqwest::Error },
    #[error("what answers at `{url}` is not a Matrix homeserver (HTTP {status})")]
    NotMatrix { url: String, status: u16 },
    #[error("the homeserver answered something unexpected to `{what}`")]
    Answer { what: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the request to `{0}` cannot be written")]
    Request(&'static str, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// An error of the Matrix API, with its code.
    #[error("the homeserver refused ({errcode}): {message}")]
    Refused { status: u16, errcode: String, message: String, retry_after: Option<Duration> },
    #[error("the homeserver asks to wait {} seconds before the next request", wait.as_secs().max(1))]
    Limited { wait: Duration },
    #[error("the event is too large: {0} bytes where 65536 are allowed")]
    TooLarge(usize),
    #[error("there is no session of `{0}` yet")]
    NoSession(String),
    #[error("the session file `{0}` cannot be read")]
    SessionFile(String, #[source] serde_json::Error),
    #[error("the key of our sessions `{0}` is not a usable P-256 key")]
    Key(String),
    #[error("`{0}` exists but is no server admin")]
    NotAdmin(String),
    #[error("there is no user `{0}`")]
    NoUser(String),
    #[error("there is no room `{0}`")]
    NoRoom(String),
    #[error("`{name}` names {} rooms: {}", ids.len(), ids.join(", "))]
    ManyRooms { name: String, ids: Vec<String> },
    #[error("the room `{0}` is encrypted, and this program cannot encrypt yet")]
    Encrypted(String),
    #[error("`{user}` cannot enter the room `{room}`")]
    NoEntry { user: String, room: String, source: Box<Self> },
    #[error("the homeserver could not remove the room `{room}`: {reason}")]
    NotRemoved { room: String, reason: String },
    #[error("the TLS client cannot be set up")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Name(#[from] super::names::Error),
    #[error(transparent)]
    File(#[from] files::Error),
}

impl Error {
    /// The Matrix error code, where the server gave one.
    pub(crate) fn errcode(&self) -> Option<&str> {
        match self {
            Self::Refused { errcode, .. } => Some(errcode),
            _ => None,
        }
    }

    pub(crate) fn is(&self, code: &str) -> bool {
        self.errcode() == Some(code)
    }

    /// Whether the server said that the thing is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::NoRoom(_) | Self::NoUser(_))
            || matches!(self, Self::Refused { status: 404, errcode, .. } if errcode == "M_NOT_FOUND")
    }

    pub(crate) fn is_outcome_unknown(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Unreachable { .. }
            | Self::Deadline { .. }
            | Self::Unknown { .. }
            | Self::Lost { .. }
            | Self::NotMatrix { .. }
            | Self::Answer { .. }
            | Self::NoSession(_)
            | Self::SessionFile(..)
            | Self::Key(_)
            | Self::Limited { .. }
            | Self::NotRemoved { .. }
            | Self::Tls(_) => Kind::Environment,
            Self::NotAdmin(_) => Kind::Setting,
            Self::Request(..) => Kind::Bug,
            Self::Refused { .. }
            | Self::TooLarge(_)
            | Self::NoUser(_)
            | Self::NoRoom(_)
            | Self::ManyRooms { .. }
            | Self::Encrypted(_)
            | Self::NoEntry { .. } => Kind::Request,
            Self::Name(error) => error.kind(),
            Self::File(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unreachable { .. } => "`manage start` starts it; `status` shows how it is",
            Self::Deadline { .. } | Self::Lost { .. } => {
                "`status` shows how the server is; `--timeout SECONDS` waits longer"
            }
            Self::Unknown { .. } => "look before you repeat it: it may have been done",
            Self::NotMatrix { .. } => {
                "another program listens on that port: `status` shows whose it is, `config set server.port PORT` takes another"
            }
            Self::Answer { .. } => "`status --verbose` shows the server's version",
            Self::Refused { errcode, .. } => match errcode.as_str() {
                "M_FORBIDDEN" => {
                    "whoever acts may not do that there: `content invite ROOM USER` lets a user in, and without `--as` the operator acts"
                }
                "M_NOT_FOUND" => {
                    "`content list --type room` and `content list --type user` show what there is"
                }
                "M_UNKNOWN_TOKEN" | "M_MISSING_TOKEN" => {
                    "`manage start` makes the operator's session again"
                }
                "M_TOO_LARGE" => "split the text, or send it as a file with `content send-media`",
                "M_USER_DEACTIVATED" => "the account was deactivated: choose another user",
                _ => return None,
            },
            Self::Limited { .. } => "`--timeout SECONDS` waits longer",
            Self::TooLarge(_) => "split the text, or send it as a file with `content send-media`",
            Self::NoSession(_) => "`manage install --start` makes the operator",
            Self::SessionFile(..) => "remove that file, then `manage start` writes it again",
            Self::Key(_) => "`manage install` makes a new one if that file is removed",
            Self::NotAdmin(_) => "choose another name with `config set server.operator NAME`",
            Self::NoUser(_) => "`content add-user NAME` makes one; `content list-users` lists them",
            Self::NoRoom(_) => {
                "`content create-room NAME` makes one; `content list-rooms` lists them"
            }
            Self::ManyRooms { .. } => "name the room by one of these ids",
            Self::Encrypted(_) => "use a room without encryption; nothing was sent in the clear",
            Self::NoEntry { .. } => "invite the user with `content invite ROOM USER`",
            Self::NotRemoved { .. } => "`logs synapse` tells more; then run it again",
            Self::Name(error) => return error.hint(),
            Self::File(error) => return error.hint(),
            Self::Request(..) | Self::Tls(_) => return None,
        };
        Some(hint.into())
    }
}
