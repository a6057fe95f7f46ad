//! `content`: what is said in rooms.

use crate::commands::table::commands;

pub(in crate::commands::content) mod close_poll;
pub(in crate::commands::content) mod edit;
pub(in crate::commands::content) mod listen;
pub(in crate::commands::content) mod location;
pub(in crate::commands::content) mod mark_read;
pub(in crate::commands::content) mod pin;
mod pinned;
pub(in crate::commands::content) mod poll;
mod post;
pub(in crate::commands::content) mod react;
pub(in crate::commands::content) mod read;
pub(in crate::commands::content) mod redact;
pub(in crate::commands::content) mod relations;
pub(in crate::commands::content) mod search;
pub(in crate::commands::content) mod send;
pub(in crate::commands::content) mod send_event;
pub(in crate::commands::content) mod threads;
pub(in crate::commands::content) mod typing;
pub(in crate::commands::content) mod unpin;
pub(in crate::commands::content) mod vote;

commands! {
    "Messages";
    "send-message" => send, "Send a message to a room";
    "read-messages" => read, "Read the messages of a room";
    #[synapse] "search-messages" => search, "Search the messages of rooms that one is in";
    "listen" => listen, "Hear every event of rooms as it comes";
    "edit-message" => edit, "Edit a message";
    "redact-message" => redact, "Redact a message";
    "react" => react, "Answer a message with a sign, such as 👍";
    "pin-message" => pin, "Keep a message in sight of all in the room";
    "unpin-message" => unpin, "Do not keep a message in sight any more";
    "send-location" => location, "Send a place to a room";
    "send-poll" => poll, "Ask a room to choose";
    "vote" => vote, "Answer a poll";
    "close-poll" => close_poll, "Close a poll, and count its answers";
    #[synapse] "list-threads" => threads, "List the threads of a room";
    "list-relations" => relations, "List the edits, signs and answers of a message";
    "mark-read" => mark_read, "Say how far a room was read";
    "set-typing" => typing, "Let a room see that somebody is typing";
    "send-event" => send_event, "Send an event of any type to a room";
}
