//! `content`: users that are programs.

use crate::commands::table::commands;

pub(in crate::commands::content) mod add;
mod hook;
mod place;
pub(in crate::commands::content) mod reads;

commands! {
    "Bots";
    "add-bot" => add, "Create a bot, optionally with a room and a webhook";
}
