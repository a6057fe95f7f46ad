//! What `content send-message` is given, and what it answers.

use std::path::{Path, PathBuf};

use ruma::{OwnedTransactionId, RoomId, TransactionId};
use schemars::JsonSchema;
use serde::Serialize;

use super::lines::lines;
use crate::{
    commands::{
        content::arguments::{
            MarkupArg, MentionsArg, QueueArg, ReplyArg, Sending, TransactionArg, VerifiedArg,
            text::message_text, transaction::quoted,
        },
        offered,
    },
    error::Failure,
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
    pub(crate) verified: VerifiedArg,
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

    /// The file whose lines are the messages.
    pub(super) fn lines_of(&self) -> Option<&Path> {
        self.file.as_deref().or(self.jsonl.as_deref())
    }

    /// The texts, with the numbers of their lines.
    pub(super) fn texts(&self) -> Result<Vec<(usize, String)>, Failure> {
        match &self.file {
            Some(path) => lines(path, self.sending.timeout()),
            None => Ok(vec![(1, message_text(self.text.clone())?)]),
        }
    }

    /// The transaction id of one of them.
    pub(super) fn numbered(&self, base: &TransactionId, number: usize) -> OwnedTransactionId {
        if self.lines_of().is_some() { format!("{base}.{number}").into() } else { base.to_owned() }
    }

    /// What is said where one could not be sent, after some of all; `again` is the command that sends the
    /// rest.
    pub(super) fn broken(
        &self,
        cause: Failure,
        again: &str,
        (line, room): (usize, &RoomId),
        (sent, all): (usize, usize),
    ) -> Failure {
        let said = match self.lines_of() {
            Some(path) => {
                let path = path.display();
                format!("{sent} of {all} lines were sent, but not line {line} of `{path}`")
            }
            None => format!("{sent} of {all} messages were sent, but not the one to {room}"),
        };
        Failure { kind: cause.kind, ..Failure::request(said) }.hinted(rest(again)).because(cause)
    }

    /// The command that sends the same again.
    pub(super) fn again(&self) -> String {
        let mut words = "content send-message".to_owned();
        if let Some(room) = &self.room {
            words.push_str(&format!(" {}", quoted(room)));
        }
        if let Some(path) = &self.jsonl {
            words.push_str(&format!(" --jsonl {}", quoted(&path.to_string_lossy())));
        }
        match (&self.file, &self.text) {
            _ if self.jsonl.is_some() => {}
            (Some(file), _) => {
                words.push_str(&format!(" --file {}", quoted(&file.to_string_lossy())));
            }
            (None, Some(text)) => words.push_str(&format!(" {}", quoted(text))),
            (None, None) => words.push_str(" -"),
        }
        let MarkupArg { html, markdown } = self.markup;
        for (given, flag) in [(html, "--html"), (markdown, "--markdown"), (self.notice, "--notice")]
        {
            if given {
                words.push_str(&format!(" {flag}"));
            }
        }
        for room in &self.also {
            words.push_str(&format!(" --also {}", quoted(room)));
        }
        words.push_str(&self.reply.words());
        for user in &self.mentions.mention {
            words.push_str(&format!(" --mention {}", quoted(user)));
        }
        if self.mentions.mention_room {
            words.push_str(" --mention-room");
        }
        words.push_str(self.verified.words());
        if let Some(user) = &self.sending.acting {
            words.push_str(&format!(" --as {}", quoted(user)));
        }
        words
    }
}

pub(super) fn rest(again: &str) -> String {
    format!("`{again}` sends the rest and none twice")
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

    fn ids(&self) -> String {
        match self {
            Self::One { event_id, .. } => event_id.clone(),
            Self::Lines { event_ids, .. } => event_ids.join("\n"),
            Self::Rooms { messages, .. } => {
                let ids: Vec<_> = messages.iter().map(|one| one.event_id.as_str()).collect();
                ids.join("\n")
            }
        }
    }
}

/// `1 message`, `2 messages`.
pub(super) fn messages_of(number: usize) -> String {
    format!("{number} message{}", if number == 1 { "" } else { "s" })
}
