//! What keeps something from being told, and whether that passes.

use std::time::Duration;

use ruma::OwnedUserId;
use tokio::time::Instant;

use super::fetch;
use crate::{matrix, outbox};

/// How often a room may not be ready before nothing more is said there, a file not to be had, or somebody be missing:
/// for about two minutes.
const TRIES: u32 = 10;
/// The same of a file: whoever has it may take half a minute each time, and the conversation waits. Who answers at once
/// that it is not to be had is asked for half a minute: the application may just be restarted.
const TRIES_OF_A_FILE: u32 = 4;
const TIME_FOR_A_FILE: Duration = Duration::from_secs(30);

/// How often something was tried, and since when.
pub(super) struct Tries {
    count: u32,
    begun: Instant,
}

impl Tries {
    pub(super) fn none() -> Self {
        Self { count: 0, begun: Instant::now() }
    }

    pub(super) fn another(&mut self) {
        self.count += 1;
    }

    pub(super) fn is_first(&self) -> bool {
        self.count == 1
    }
}

/// What keeps something from being told.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("the relay's database does not answer")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Matrix(#[from] matrix::Error),
    /// The room cannot be made ready: after something was killed that may pass, whatever is said of it.
    #[error("the room is not ready: {0}")]
    Room(#[source] matrix::Error),
    /// Its file cannot be had from the address that the application gave.
    #[error(transparent)]
    File(#[from] fetch::Error),
    /// Nobody is brought back who was removed. As long as that is not sure, we may hear why they are not in the room.
    #[error("{user} was removed from the room")]
    Removed { user: OwnedUserId, is_sure: bool },
    /// It cannot be told at all.
    #[error("{0}")]
    Senseless(&'static str),
}

impl Trouble {
    /// The same of what a room needs.
    pub(super) fn of_the_room(self) -> Self {
        match self {
            Self::Matrix(error) => Self::Room(error),
            other => other,
        }
    }

    /// Whether it stays so, after these tries.
    pub(super) fn is_final(&self, tries: &Tries) -> bool {
        match self {
            Self::Database(_) => false,
            Self::Room(matrix::Error::Banned { .. }) => true,
            Self::Room(error) => tries.count >= TRIES && outbox::is_final(error),
            Self::File(error) => {
                error.is_final()
                    || (tries.count >= TRIES_OF_A_FILE && tries.begun.elapsed() >= TIME_FOR_A_FILE)
            }
            Self::Matrix(matrix::Error::Banned { .. }) | Self::Senseless(_) => true,
            Self::Matrix(error) => outbox::is_final(error),
            Self::Removed { is_sure, .. } => *is_sure || tries.count >= TRIES,
        }
    }

    /// Whether it is the homeserver that did not do what it was asked, and not something with what was to be told.
    pub(super) fn is_of_the_homeserver(&self) -> bool {
        match self {
            Self::Matrix(error) | Self::Room(error) => {
                !matches!(error, matrix::Error::Banned { .. })
            }
            Self::Database(_) => true,
            Self::File(_) | Self::Removed { .. } | Self::Senseless(_) => false,
        }
    }

    /// Whether it may be that the homeserver does not know who or where any more.
    pub(super) fn is_of_who_or_where(&self) -> bool {
        let codes = ["M_FORBIDDEN", "M_EXCLUSIVE", "M_NOT_FOUND", "M_UNKNOWN", "M_UNKNOWN_DEVICE"];
        match self {
            Self::Matrix(error @ matrix::Error::Refused { status: 400..=404, .. }) => {
                codes.iter().any(|code| error.is(code))
            }
            Self::Matrix(matrix::Error::NoEntry { .. }) => true,
            _ => false,
        }
    }

    /// Whether they are not to be in the room.
    pub(super) fn is_removal(&self) -> bool {
        let banned = |error: &matrix::Error| matches!(error, matrix::Error::Banned { .. });
        match self {
            Self::Matrix(error) | Self::Room(error) => banned(error),
            Self::Removed { .. } => true,
            _ => false,
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Matrix(matrix::Error::Refused { errcode, message, .. })
            | Self::Room(matrix::Error::Refused { errcode, message, .. }) => {
                format!("{errcode}: {message}")
            }
            other => other.to_string(),
        }
    }
}
