//! `content`: addresses through which other programs speak in a room.

use crate::commands::table::commands;

pub(in crate::commands::content) mod list;
pub(in crate::commands::content) mod remove;

commands! {
    "Webhooks";
    "list-hooks" => list, "List all webhooks, and what of them waits or was refused";
    "remove-hook" => remove, "Take a webhook away";
}
