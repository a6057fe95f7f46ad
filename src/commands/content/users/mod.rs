//! `content`: the people of this server.

use crate::commands::table::commands;

pub(in crate::commands::content) mod add;
pub(in crate::commands::content) mod get;
pub(in crate::commands::content) mod list;
pub(in crate::commands::content) mod password;
pub(in crate::commands::content) mod remove;

commands! {
    "Users";
    "add-user" => add, "Create a user";
    "list-users" => list, "List all users";
    "get-user" => get, "Show a user";
    "remove-user" => remove, "Deactivate a user";
}
