//! `content`: rooms, and who is in them.

use crate::commands::table::commands;

pub(in crate::commands::content) mod add_to_space;
pub(in crate::commands::content) mod ban_user;
pub(in crate::commands::content) mod block;
pub(in crate::commands::content) mod blocked;
pub(in crate::commands::content) mod create;
pub(in crate::commands::content) mod find_event;
pub(in crate::commands::content) mod get;
pub(in crate::commands::content) mod get_event;
pub(in crate::commands::content) mod invite;
pub(in crate::commands::content) mod join;
pub(in crate::commands::content) mod kick_user;
pub(in crate::commands::content) mod leave;
pub(in crate::commands::content) mod list;
pub(in crate::commands::content) mod list_space;
mod list_tags;
pub(in crate::commands::content) mod made;
pub(in crate::commands::content) mod members;
pub(in crate::commands::content) mod moderate;
pub(in crate::commands::content) mod prune_extremities;
pub(in crate::commands::content) mod purge_history;
pub(in crate::commands::content) mod remove;
pub(in crate::commands::content) mod remove_from_space;
mod remove_tag;
pub(in crate::commands::content) mod set_name;
pub(in crate::commands::content) mod set_power;
mod set_tag;
pub(in crate::commands::content) mod set_text;
pub(in crate::commands::content) mod set_topic;
pub(in crate::commands::content) mod shown;
pub(in crate::commands::content) mod space;
pub(in crate::commands::content) mod state;
mod tagged;
pub(in crate::commands::content) mod unban_user;
pub(in crate::commands::content) mod unblock;

commands! {
    "Rooms";
    "create-room" => create, "Create a room or a space";
    "list-rooms" => list, "List all rooms";
    "get-room" => get, "Show a room and who is in it";
    "join-room" => join, "Join a room";
    "invite" => invite, "Invite a user to a room";
    "list-members" => members, "List who is in a room, invited or banned, and their power";
    "set-power" => set_power, "Give a user power in a room";
    "kick-user" => kick_user, "Take a user out of a room";
    "ban-user" => ban_user, "Take a user out of a room and keep them out";
    "unban-user" => unban_user, "Let a user into a room again who was banned";
    "set-name" => set_name, "Change what a room is called";
    "set-topic" => set_topic, "Change what a room is about";
    "leave-room" => leave, "Leave a room";
    "add-to-space" => add_to_space, "Put a room into a space";
    "remove-from-space" => remove_from_space, "Take a room out of a space";
    "list-space" => list_space, "List the rooms of a space, however deep";
    "set-tag" => set_tag, "Put a tag on a room, such as favourite";
    "remove-tag" => remove_tag, "Take a tag off a room";
    "list-tags" => list_tags, "List the tags that a user has put on a room";
    "get-state" => state, "Show the state events of a room";
    "get-event" => get_event, "Show an event";
    "find-event" => find_event, "Find the event of a room next to a time";
    "block-room" => block, "Keep everybody of this server from joining a room";
    "unblock-room" => unblock, "Let a room be joined again that was blocked";
    "purge-history" => purge_history, "Take what is old out of a room, for good";
    "prune-extremities" => prune_extremities, "Leave the history of a room one end";
    "remove-room" => remove, "Remove everybody from a room and purge it";
}
