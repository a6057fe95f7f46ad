//! `content`: addresses through which other programs speak in a room.

use crate::commands::table::commands;

pub(in crate::commands::content) mod list;
pub(in crate::commands::content) mod remove;

commands! {
    "Webhooks";
    "list-hooks" => list, "List webhooks with their waiting and rejected messages";
    "remove-hook" => remove, "Remove a webhook";
}
