//! `content`: addresses through which other programs speak in a room.

use crate::commands::table::commands;

pub(in crate::commands::content) mod list;
pub(in crate::commands::content) mod remove;
mod try_out;

commands! {
    "Webhooks";
    "list-hooks" => list, "List webhooks with their waiting and rejected messages";
    "try-hook" => try_out, "Show what a webhook would make of a body";
    "remove-hook" => remove, "Remove a webhook";
}
