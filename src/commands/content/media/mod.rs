//! `content`: what people have uploaded.

use crate::commands::table::commands;

pub(in crate::commands::content) mod send;
pub(in crate::commands::content) mod usage;

commands! {
    "Media";
    "send-media" => send, "Send a file to a room";
    "media" => usage, "Show media usage by kind and by user";
}
