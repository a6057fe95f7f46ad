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

#[derive(Deserialize, Serialize)]
pub(crate) struct Question {
    pub(crate) account: Account,
    #[serde(flatten)]
    pub(crate) request: Request,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub(crate) enum Request {
    /// Encrypts a content for all who are in the room now.
    Encrypt { room_id: String, event_type: String, content: Value },
    /// Decrypts events of a room, as far as their keys are there.
    Decrypt { room_id: String, events: Vec<Value> },
    /// Makes the device ready, and says how it is.
    Device,
    /// Has all room keys in the account's backup at the homeserver.
    BackUp,
    /// Brings room keys back from there.
    Restore {
        /// What opens the account's secret storage, where that is not known here.
        recovery_key: Option<String>,
    },
    /// All room keys, as clients write them into a file.
    Export { passphrase: String },
    /// Takes up room keys that a client wrote.
    Import { text: String, passphrase: String },
}

#[derive(Deserialize, Serialize)]
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
    Backup(Backup),
    Exported {
        text: String,
        keys: u64,
    },
    Imported(Imported),
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

/// The file in a device's store that says how it is.
pub(crate) const NOTE: &str = "device.json";

/// How a device is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Device {
    /// Its public key, by which others know it.
    pub(crate) ed25519: String,
    /// Whether its owner has signed it.
    pub(crate) signed: bool,
    /// How many one-time keys the homeserver holds for it.
    pub(crate) one_time_keys: u64,
}

/// How an account's key backup is.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Backup {
    pub(crate) version: String,
    /// How many room keys are in it.
    pub(crate) keys: u64,
    /// What opens the account's secret storage.
    pub(crate) recovery_key: Option<String>,
}

/// What became of room keys that came from elsewhere.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Imported {
    pub(crate) found: u64,
    /// Those that were not here, or not from so early on.
    pub(crate) new: u64,
    /// Whether the device is signed by its owner now.
    pub(crate) signed: bool,
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
    /// The account's identity or backup is another's, or cannot be opened.
    Recovery,
    /// A file with keys cannot be opened.
    Export,
    /// What was asked makes no sense.
    Question,
}
