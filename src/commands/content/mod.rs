//! `content`: users, rooms, bots, bridges and messages.

use super::commands;

mod add;
mod add_bot;
mod add_bridge;
mod add_user;
mod answer;
mod bridge_logs;
mod create_room;
mod edit_message;
mod execute;
mod federation_check;
mod get;
mod get_room;
mod get_user;
mod invite;
mod join_room;
mod kind;
mod leave_room;
mod list;
mod list_bridges;
mod list_rooms;
mod list_users;
mod media;
mod password;
mod read_messages;
mod redact_message;
mod remove;
mod remove_bridge;
mod remove_room;
mod remove_user;
mod send_media;
mod send_message;

commands! {
    "send-message" => send_message, "Send a message to a room";
    "send-media" => send_media, "Send a file to a room";
    "media" => media, "Show how much people have uploaded";
    "read-messages" => read_messages, "Read the messages of a room";
    "edit-message" => edit_message, "Change a message";
    "redact-message" => redact_message, "Take a message away";
    "create-room" => create_room, "Make a room or a space";
    "list-rooms" => list_rooms, "List all rooms";
    "get-room" => get_room, "Show a room and who is in it";
    "join-room" => join_room, "Join a room";
    "invite" => invite, "Invite a user to a room";
    "leave-room" => leave_room, "Leave a room";
    "remove-room" => remove_room, "Empty and purge a room";
    "add-user" => add_user, "Make a user";
    "list-users" => list_users, "List all users";
    "get-user" => get_user, "Show a user";
    "remove-user" => remove_user, "Deactivate a user";
    "add-bot" => add_bot, "Make a bot and show its token";
    "add-bridge" => add_bridge, "Bridge to another chat network";
    "list-bridges" => list_bridges, "List the bridges and how they are";
    "remove-bridge" => remove_bridge, "Take a bridge away";
    "bridge-logs" => bridge_logs, "Show what a bridge wrote";
    "add" => add, "Add a user, bot, room or message";
    "list" => list, "List rooms, or with --type users or bots";
    "get" => get, "Show a user or a room";
    "remove" => remove, "Remove a user or a room";
    "federation-check" => federation_check, "Walk the way to another server, or to this one: 1 if it is broken";
    "execute" => execute, "Call any endpoint of the server as the operator";
}
