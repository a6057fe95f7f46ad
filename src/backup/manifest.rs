//! What an archive says of itself before anything else.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The newest kind of archive that this program writes.
pub(crate) const FORMAT: u32 = 2;
/// That of one which has all in it.
pub(crate) const WHOLE: u32 = 1;

/// Everything that a restore must know before it changes anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Manifest {
    /// The kind of archive.
    pub(crate) format: u32,
    /// The version of the program that made it.
    pub(crate) program: String,
    /// When its database was as it is in here: RFC 3339, UTC.
    pub(crate) made_at: String,
    pub(crate) server_name: String,
    /// The version of Synapse.
    pub(crate) synapse: String,
    pub(crate) schema: Schema,
    /// PostgreSQL's version, `15.18`.
    pub(crate) postgres: String,
    /// Its major version, 15.
    pub(crate) postgres_major: u32,
    /// The id of the signing key, `ed25519:a_AbCd`.
    pub(crate) key: String,
    /// The databases of bridges, beside Synapse's own.
    pub(crate) bridges: Vec<String>,
    pub(crate) counts: Counts,
    /// The bucket that holds the media as well: what is only there is not in the archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bucket: Option<String>,
    /// The media lie beside the archive, in `blobs`: as they are, or encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media_apart: Option<Apart>,
}

/// How media lie beside an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Apart {
    Plain,
    Encrypted,
}

/// The version of Synapse's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Schema {
    /// The number of the tables' version, 94.
    pub(crate) version: i32,
    /// The oldest version of the tables whose Synapse can still read these.
    pub(crate) compat: i32,
}

/// Whether no text in it does more on a terminal than to be read: a manifest may be anybody's.
pub(super) fn is_plain(value: &Value) -> bool {
    let is_text = |text: &str| !text.chars().any(char::is_control);
    match value {
        Value::String(text) => is_text(text),
        Value::Array(values) => values.iter().all(is_plain),
        Value::Object(fields) => fields.iter().all(|(name, it)| is_text(name) && is_plain(it)),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

/// What is in it, counted at the moment that the database is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Counts {
    /// Accounts, closed ones among them.
    pub(crate) users: i64,
    /// Rooms that the server knows.
    pub(crate) rooms: i64,
    /// Messages and all else that has happened in rooms.
    pub(crate) events: i64,
    /// Files that were sent here.
    pub(crate) media: i64,
}

/// The last entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct End {
    /// How many entries came before, this and the sums not counted.
    pub(super) entries: u64,
    /// Their bytes.
    pub(super) bytes: u64,
}
