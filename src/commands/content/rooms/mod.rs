//! `content`: rooms, and who is in them.

use crate::commands::table::commands;

pub(in crate::commands::content) mod add_to_space;
pub(in crate::commands::content) mod create;
pub(in crate::commands::content) mod get;
pub(in crate::commands::content) mod invite;
pub(in crate::commands::content) mod join;
pub(in crate::commands::content) mod leave;
pub(in crate::commands::content) mod list;
pub(in crate::commands::content) mod made;
pub(in crate::commands::content) mod remove;
pub(in crate::commands::content) mod remove_from_space;
pub(in crate::commands::content) mod shown;
pub(in crate::commands::content) mod space;

commands! {
    "Rooms";
    "create-room" => create, "Create a room or a space";
    "list-rooms" => list, "List all rooms";
    "get-room" => get, "Show a room and who is in it";
    "join-room" => join, "Join a room";
    "invite" => invite, "Invite a user to a room";
    "leave-room" => leave, "Leave a room";
    "add-to-space" => add_to_space, "Put a room into a space";
    "remove-from-space" => remove_from_space, "Take a room out of a space";
    "remove-room" => remove, "Remove everybody from a room and purge it";
}
