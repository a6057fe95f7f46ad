//! `content`: what people have uploaded.

use crate::commands::table::commands;

pub(in crate::commands::content) mod send;
pub(in crate::commands::content) mod usage;

commands! {
    "Media";
    #[old] "send-media" => send, "Send a file to a room";
    #[old] "media" => usage, "Show how much people have uploaded";
}
