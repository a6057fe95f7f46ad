//! What commands and the service that keeps keys say to each other over its socket: one line of JSON each way. Both
//! programs are built from this file.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Whose keys, and how their homeserver is asked.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Account {
    pub(crate) url: String,
    pub(crate) user_id: String,
    pub(crate) device_id: String,
    pub(crate) access_token: String,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Question {
    pub(crate) account: Account,
    #[serde(flatten)]
    pub(crate) request: Request,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub(crate) enum Request {
    /// Encrypts a content for all who are in the room now.
    Encrypt { room_id: String, event_type: String, content: Value },
    /// Decrypts events of a room, as far as their keys are there.
    Decrypt { room_id: String, events: Vec<Value> },
    /// Makes the device ready, and says how it is.
    Device,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub(crate) enum Answer {
    Encrypted {
        /// Of an `m.room.encrypted`.
        content: Value,
    },
    /// In the order of the question.
    Decrypted {
        events: Vec<Opened>,
    },
    Device(Device),
    Failed(Failed),
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Opened {
    /// The event with its own type and content.
    Clear(Value),
    /// Why it stays closed.
    Closed(String),
}

/// How a device is.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Device {
    /// Its public key, by which others know it.
    pub(crate) ed25519: String,
    /// Whether its owner has signed it.
    pub(crate) signed: bool,
    /// How many one-time keys the homeserver holds for it.
    pub(crate) one_time_keys: u64,
}

/// Why a question has no other answer.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Failed {
    pub(crate) kind: Fault,
    /// What the homeserver refused it with: the status and the Matrix error code.
    pub(crate) refusal: Option<(u16, String)>,
    /// A clause.
    pub(crate) what: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    /// The homeserver cannot be reached, or not now.
    Away,
    /// The account's token is not valid.
    Token,
    /// The homeserver refused something.
    Refused,
    /// The room is not encrypted.
    Plain,
    /// The room is encrypted in a way nobody here knows.
    Algorithm,
    /// The homeserver knows the device with keys that are not in the store.
    Lost,
    /// The store cannot be used.
    Store,
    /// What was asked makes no sense.
    Question,
}
