//! `content`: rooms, and who is in them.

use crate::commands::table::commands;

pub(in crate::commands::content) mod create;
pub(in crate::commands::content) mod get;
pub(in crate::commands::content) mod invite;
pub(in crate::commands::content) mod join;
pub(in crate::commands::content) mod leave;
pub(in crate::commands::content) mod list;
pub(in crate::commands::content) mod made;
pub(in crate::commands::content) mod remove;
pub(in crate::commands::content) mod shown;

commands! {
    "Rooms";
    "create-room" => create, "Create a room or a space";
    "list-rooms" => list, "List all rooms";
    "get-room" => get, "Show a room and who is in it";
    "join-room" => join, "Join a room";
    "invite" => invite, "Invite a user to a room";
    "leave-room" => leave, "Leave a room";
    "remove-room" => remove, "Remove everybody from a room and purge it";
}
