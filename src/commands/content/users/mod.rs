//! `content`: the people of this server.

use crate::commands::table::commands;

pub(in crate::commands::content) mod add;
pub(in crate::commands::content) mod get;
pub(in crate::commands::content) mod list;
pub(in crate::commands::content) mod lock;
pub(in crate::commands::content) mod password;
pub(in crate::commands::content) mod remove;
pub(in crate::commands::content) mod set_password;
pub(in crate::commands::content) mod unlock;
mod unseen;
pub(in crate::commands::content) mod usable;

commands! {
    "Users";
    "add-user" => add, "Create a user";
    "list-users" => list, "List all users";
    "get-user" => get, "Show a user";
    "set-password" => set_password, "Give a user a new password";
    "lock-user" => lock, "Lock a user out until it is unlocked";
    "unlock-user" => unlock, "Unlock a user, and lift its suspension";
    "remove-user" => remove, "Deactivate a user";
}
