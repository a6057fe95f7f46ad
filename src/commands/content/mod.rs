//! `content`: users, rooms, bots and messages.

use super::commands;

mod list_users;

commands! {
    "list-users" => list_users, "List all users";
}
