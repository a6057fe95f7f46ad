//! `content`: the people of this server.

use crate::commands::table::commands;

pub(in crate::commands::content) mod add;
pub(in crate::commands::content) mod get;
pub(in crate::commands::content) mod list;
pub(in crate::commands::content) mod password;
pub(in crate::commands::content) mod remove;

commands! {
    "Users";
    #[old] "add-user" => add, "Make a user";
    #[old] "list-users" => list, "List all users";
    #[old] "get-user" => get, "Show a user";
    #[old] "remove-user" => remove, "Deactivate a user";
}
