//! `content`: the contract's words, for anything that a type is given for.

use crate::commands::table::commands;

pub(in crate::commands::content) mod add;
pub(in crate::commands::content) mod get;
pub(in crate::commands::content) mod items;
pub(in crate::commands::content) mod kind;
pub(in crate::commands::content) mod list;
pub(in crate::commands::content) mod remove;

commands! {
    "Any type";
    #[old] "add" => add, "Add a user, bot, room or message";
    #[old] "list" => list, "List rooms, or with --type users, bots or hooks";
    #[old] "get" => get, "Show a user or a room";
    #[old] "remove" => remove, "Remove a user, room or hook";
}
