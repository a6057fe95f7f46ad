//! `content`: the addresses of rooms, and the directory that lists them.

use crate::commands::table::commands;

pub(in crate::commands::content) mod add_alias;
pub(in crate::commands::content) mod alias;
pub(in crate::commands::content) mod list_aliases;
pub(in crate::commands::content) mod list_public;
pub(in crate::commands::content) mod publish;
pub(in crate::commands::content) mod published;
pub(in crate::commands::content) mod remove_alias;
pub(in crate::commands::content) mod set_alias;
pub(in crate::commands::content) mod unpublish;

commands! {
    "Addresses and the directory";
    "add-alias" => add_alias, "Give a room one more alias";
    "remove-alias" => remove_alias, "Take an alias away from its room";
    "set-alias" => set_alias, "Make an alias the one that a room is known by";
    "list-aliases" => list_aliases, "List the aliases of a room";
    "publish-room" => publish, "List a room in the directory";
    "unpublish-room" => unpublish, "Take a room out of the directory";
    "list-public-rooms" => list_public, "List the rooms of the directory";
}
