//! `content`: the people of this server.

use crate::commands::table::commands;

pub(in crate::commands::content) mod add;
mod demote;
pub(in crate::commands::content) mod get;
mod get_rate_limit;
mod lift_shadow_ban;
pub(in crate::commands::content) mod list;
pub(in crate::commands::content) mod lock;
pub(in crate::commands::content) mod password;
mod promote;
mod rate_limit;
mod reactivate;
mod redact;
pub(in crate::commands::content) mod remove;
mod rename;
mod reset_rate_limit;
pub(in crate::commands::content) mod set_password;
mod set_rate_limit;
mod shadow_ban;
mod suspend;
pub(in crate::commands::content) mod unlock;
mod unseen;
pub(in crate::commands::content) mod usable;

commands! {
    "Users";
    "add-user" => add, "Create a user";
    "list-users" => list, "List all users";
    "get-user" => get, "Show a user";
    "rename-user" => rename, "Change a user's display name";
    "set-password" => set_password, "Give a user a new password";
    "promote-user" => promote, "Make a user a server admin";
    "demote-user" => demote, "Make a user a server admin no longer";
    "lock-user" => lock, "Lock a user out until it is unlocked";
    "suspend-user" => suspend, "Let a user read and not write until it is unlocked";
    "unlock-user" => unlock, "Unlock a user, and lift its suspension";
    "shadow-ban-user" => shadow_ban, "Let nobody see what a user writes, without telling the user";
    "lift-shadow-ban" => lift_shadow_ban, "Let others see again what a user writes";
    "redact-user" => redact, "Redact what a user wrote";
    "get-rate-limit" => get_rate_limit, "Show the rate limit of a user";
    "set-rate-limit" => set_rate_limit, "Give a user a rate limit of its own, or none at all";
    "reset-rate-limit" => reset_rate_limit, "Give a user the rate limits of everybody again";
    "remove-user" => remove, "Deactivate a user";
    "reactivate-user" => reactivate, "Open a deactivated user's account again, with a new password";
}
