//! `content`: what is said in rooms.

use crate::commands::table::commands;

pub(in crate::commands::content) mod edit;
pub(in crate::commands::content) mod listen;
pub(in crate::commands::content) mod pin;
mod pinned;
pub(in crate::commands::content) mod react;
pub(in crate::commands::content) mod read;
pub(in crate::commands::content) mod redact;
pub(in crate::commands::content) mod send;
pub(in crate::commands::content) mod send_event;
pub(in crate::commands::content) mod unpin;

commands! {
    "Messages";
    "send-message" => send, "Send a message to a room";
    "read-messages" => read, "Read the messages of a room";
    "listen" => listen, "Hear every event of rooms as it comes";
    "edit-message" => edit, "Edit a message";
    "redact-message" => redact, "Redact a message";
    "react" => react, "Answer a message with a sign, such as 👍";
    "pin-message" => pin, "Keep a message in sight of all in the room";
    "unpin-message" => unpin, "Do not keep a message in sight any more";
    "send-event" => send_event, "Send an event of any type to a room";
}
