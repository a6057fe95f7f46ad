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
    /// Encrypts a content for all who are in the room now; with `only_verified` it goes to devices of verified people alone,
    /// and to nobody as long as somebody in the room is not verified.
    Encrypt {
        room_id: String,
        event_type: String,
        content: Value,
        #[serde(default)]
        only_verified: bool,
    },
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
    /// Whom to trust.
    Verify(Verify),
}

/// What is asked about the trust in a user.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub(crate) enum Verify {
    /// How far they and their devices are trusted.
    Show { user_id: String },
    /// Signs them, or trusts one device, if this is its fingerprint. Without one it is that which was kept here of an account.
    Sign { user_id: String, device_id: Option<String>, fingerprint: Option<String> },
    /// Takes one whose identity changed for somebody who was never verified.
    Forget { user_id: String },
    /// Asks them to compare emoji: in a room, or a device, or all others of one's own. `bare` begins without asking before.
    Begin { user_id: String, device_id: Option<String>, room_id: Option<String>, bare: bool },
    /// How far that is; without a flow, what they have begun is taken up.
    Look { user_id: String, room_id: Option<String>, flow: Option<String> },
    /// The same on both sides.
    Confirm { user_id: String, flow: String },
    /// Ends it; `differs` where it was not the same.
    Cancel { user_id: String, flow: String, differs: bool },
}

#[derive(Deserialize, Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub(crate) enum Answer {
    Encrypted {
        /// Of an `m.room.encrypted`.
        content: Value,
        /// Who was told just now that they get no key: the user, the device and the code.
        #[serde(default)]
        left_out: Vec<(String, String, String)>,
    },
    /// Nothing was encrypted: these are in the room, have devices, and are not verified.
    Unverified {
        users: Vec<String>,
    },
    /// Nothing was encrypted: these were verified, and have another identity now.
    Changed {
        users: Vec<String>,
    },
    /// In the order of the question.
    Decrypted {
        events: Vec<Opened>,
    },
    Device(Device),
    Trust(Trust),
    Signed {
        outcome: Signed,
    },
    Flow {
        /// None as long as they have begun nothing.
        flow: Option<String>,
        stage: Stage,
    },
    Backup(Backup),
    Exported {
        text: String,
        keys: u64,
    },
    Imported(Imported),
    Failed(Failed),
}

/// How far a user is trusted.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Trust {
    /// The public master key of their identity, where they have one.
    pub(crate) identity: Option<String>,
    /// Whether the account has verified it.
    pub(crate) verified: bool,
    /// Whether it has verified another one before.
    pub(crate) changed: bool,
    /// Whether the account can sign others.
    pub(crate) can_sign: bool,
    pub(crate) devices: Vec<Trusted>,
}

/// How far a device is trusted.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Trusted {
    pub(crate) device_id: String,
    pub(crate) name: Option<String>,
    pub(crate) ed25519: Option<String>,
    /// Whether its owner has signed it.
    pub(crate) signed: bool,
    /// Whether the account trusts it: by its owner, or by itself.
    pub(crate) verified: bool,
    /// Whether it gets the keys of what the account sends.
    pub(crate) keys: bool,
}

/// What became of a signature.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Signed {
    Now,
    Before,
    /// The fingerprint is this one.
    Differs(String),
    NoIdentity,
    NoDevice,
    /// Nothing is known here that it could be compared with.
    NoFingerprint,
    /// The secret half of the account's own identity is not here.
    NoSecret,
}

/// How far a comparison is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// They have not answered.
    Asked,
    /// The two devices agree on what is to be compared.
    Agreeing,
    Compare {
        /// The number, the picture and its name; none where the other side has no emoji.
        emoji: Vec<(u8, String, String)>,
        decimals: [u16; 3],
    },
    /// They have not said yet that it is the same.
    Confirmed,
    Done,
    Cancelled {
        code: String,
        reason: String,
        by_us: bool,
    },
    /// It is not known, or not any more.
    Gone,
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

/// An id as the name of a file.
pub(crate) fn plain(id: &str) -> String {
    id.replace('/', "%2F")
}

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
    /// The device is not signed, so that nobody is to get keys from it.
    Unsigned,
    /// The account's identity or backup is another's, or cannot be opened.
    Recovery,
    /// A file with keys cannot be opened.
    Export,
    /// What was asked makes no sense.
    Question,
}
