//! `content`: users that are programs.

use crate::commands::table::commands;

pub(in crate::commands::content) mod add;

commands! {
    "Bots";
    "add-bot" => add, "Make a bot, with a room and a webhook if wanted";
}
