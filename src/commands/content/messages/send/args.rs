//! What `content send-message` is given, and what it answers.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        content::arguments::{MarkupArg, MentionsArg, QueueArg, ReplyArg, Sending, TransactionArg},
        offered,
    },
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The room: id, alias, exact name, or @user for the direct room with them
    #[arg(add = offered::rooms(), required_unless_present = "jsonl")]
    pub(crate) room: Option<String>,
    /// The text; `-`, or nothing where stdin is a pipe, reads it from there
    #[arg(allow_hyphen_values = true)]
    pub(crate) text: Option<String>,
    #[command(flatten)]
    pub(crate) markup: MarkupArg,
    /// Send a notice, which bots do not answer
    #[arg(long)]
    pub(crate) notice: bool,
    #[command(flatten)]
    pub(crate) reply: ReplyArg,
    #[command(flatten)]
    pub(crate) mentions: MentionsArg,
    #[command(flatten)]
    pub(crate) transaction: TransactionArg,
    /// Send each line of this file as a message, in order; blank ones are none
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    pub(crate) file: Option<PathBuf>,
    /// Send each line of this file, or of stdin with `-`, which is a JSON object with a `text` and, if it is for another room, a `room`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["text", "file"])]
    pub(crate) jsonl: Option<PathBuf>,
    /// Send it to this room as well; can be repeated
    #[arg(long, value_name = "ROOM", add = offered::rooms(), conflicts_with = "jsonl")]
    pub(crate) also: Vec<String>,
    #[command(flatten)]
    pub(crate) queue: QueueArg,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Sent {
    /// One message.
    One { room_id: String, event_id: String, transaction_id: String },
    /// The lines of a file.
    Lines {
        room_id: String,
        /// In the order of the file.
        event_ids: Vec<String>,
        total: usize,
        transaction_id: String,
    },
    /// Into several rooms.
    Rooms {
        /// In the order in which they were given.
        messages: Vec<One>,
        total: usize,
    },
}

/// One that was sent.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct One {
    pub(super) room_id: String,
    pub(super) event_id: String,
    pub(super) transaction_id: String,
}

impl Args {
    pub(super) fn room(&self) -> &str {
        self.room.as_deref().unwrap_or_default()
    }
}

impl Sentence for Sent {
    fn sentence(&self) -> String {
        match self {
            Self::One { event_id, .. } => format!("sent {event_id}"),
            Self::Lines { room_id, total, .. } => {
                format!("sent {} to {room_id}", messages_of(*total))
            }
            Self::Rooms { total, .. } => format!("sent {}", messages_of(*total)),
        }
    }

    fn id(&self) -> &str {
        match self {
            Self::One { event_id, .. } => event_id,
            Self::Lines { event_ids, .. } => {
                event_ids.last().map(String::as_str).unwrap_or_default()
            }
            Self::Rooms { messages, .. } => {
                messages.last().map(|one| one.event_id.as_str()).unwrap_or_default()
            }
        }
    }
}

/// `1 message`, `2 messages`.
pub(super) fn messages_of(number: usize) -> String {
    format!("{number} message{}", if number == 1 { "" } else { "s" })
}
