//! `content`: the contract's words, for anything: its type is given, or is what the name can only be.

use crate::commands::table::commands;

pub(in crate::commands::content) mod add;
mod found;
pub(in crate::commands::content) mod get;
mod items;
mod keys;
mod kind;
pub(in crate::commands::content) mod list;
mod one_of;
pub(in crate::commands::content) mod remove;

commands! {
    "Any type";
    "add" => add, "Add a user, bot, room or message";
    "list" => list, "List rooms, users, bots and webhooks";
    "get" => get, "Show a user, bot, room or webhook";
    "remove" => remove, "Remove a user, bot, room or webhook";
}
