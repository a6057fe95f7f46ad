//! `content`: what is said in rooms.

use crate::commands::table::commands;

pub(in crate::commands::content) mod edit;
mod lines;
pub(in crate::commands::content) mod listen;
pub(in crate::commands::content) mod read;
pub(in crate::commands::content) mod redact;
pub(in crate::commands::content) mod send;

commands! {
    "Messages";
    "send-message" => send, "Send a message to a room";
    "read-messages" => read, "Read the messages of a room";
    "listen" => listen, "Hear every event of rooms as it comes";
    "edit-message" => edit, "Edit a message";
    "redact-message" => redact, "Redact a message";
}
