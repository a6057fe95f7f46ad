//! A message that was accepted: what is kept of it until the homeserver has it.

use ruma::{OwnedEventId, OwnedTransactionId, OwnedUserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::matrix::{message::Markup, thread::Place};

/// A message that was accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Of the journal.
    pub(crate) id: String,
    #[serde(flatten)]
    pub(crate) draft: Draft,
}

/// A message to be accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Draft {
    /// The webhook that took it; none where a command did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hook: Option<String>,
    pub(crate) user: OwnedUserId,
    /// The room as it was named: its id, an alias or a name.
    pub(crate) room: String,
    #[serde(flatten)]
    pub(crate) what: What,
    #[serde(flatten)]
    pub(crate) place: Place,
    /// The transaction id, where it is not made of the journal's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) transaction: Option<String>,
    /// The hash of what makes a repeat harmless.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// The hash of what was said with a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<String>,
    /// Whether somebody waits to hear what becomes of it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) waited: bool,
    /// When it was accepted, in milliseconds since the epoch.
    pub(crate) at: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// What is to be sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    /// The content of a message.
    Content(Value),
    File(Attached),
    Edit {
        event: OwnedEventId,
        text: String,
        markup: Option<Markup>,
    },
    Redaction {
        event: OwnedEventId,
        reason: Option<String>,
    },
}

/// A file that lies beside the journal until it is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Attached {
    /// What it is called there.
    pub(crate) stored: String,
    /// What is in it, as a hash.
    pub(crate) hash: String,
    /// What it was called.
    pub(crate) name: String,
    pub(crate) mime: Option<String>,
    pub(crate) caption: Option<String>,
    pub(crate) voice: bool,
    pub(crate) mention: Vec<OwnedUserId>,
    pub(crate) mention_room: bool,
}

impl What {
    /// What says whether two are the same.
    pub(crate) fn said(&self) -> String {
        let bare = match self {
            // Each copy has a name of its own.
            Self::File(file) => Self::File(Attached { stored: String::new(), ..file.clone() }),
            other => other.clone(),
        };
        serde_json::to_string(&bare).unwrap_or_default()
    }

    /// How it is called in a list.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Content(_) => "message",
            Self::File(_) => "file",
            Self::Edit { .. } => "edit",
            Self::Redaction { .. } => "redaction",
        }
    }

    /// What it takes while it waits, in bytes; a file waits on the disk.
    pub(super) fn size(&self) -> u64 {
        let length = match self {
            Self::Content(content) => content.to_string().len(),
            Self::File(file) => file.caption.as_ref().map_or(0, String::len),
            Self::Edit { text, .. } => text.len(),
            Self::Redaction { reason, .. } => reason.as_ref().map_or(0, String::len),
        };
        length as u64
    }

    /// What a person knows it by.
    pub(crate) fn shown(&self) -> &str {
        match self {
            Self::Content(content) => content["body"].as_str().unwrap_or_default(),
            Self::File(file) => &file.name,
            Self::Edit { text, .. } => text,
            Self::Redaction { event, .. } => event.as_str(),
        }
    }
}

impl Entry {
    /// The same each time it is tried.
    pub(crate) fn transaction(&self) -> OwnedTransactionId {
        let Self { id, draft } = self;
        match &draft.transaction {
            Some(given) => given.as_str().into(),
            None if draft.hook.is_some() => format!("hook-{id}").into(),
            None => format!("queue-{id}").into(),
        }
    }

    /// Whose it is, for the log.
    pub(crate) fn source(&self) -> String {
        self.draft.hook.as_ref().map_or_else(
            || "a message of the queue".to_owned(),
            |hook| format!("a message of the webhook `{hook}`"),
        )
    }
}
