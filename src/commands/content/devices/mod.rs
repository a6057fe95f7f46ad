//! `content`: where people are logged in, and whom to trust.

use crate::commands::table::commands;

mod list;
mod list_sessions;
mod remove;
mod rename;
mod verify;

commands! {
    "Devices";
    #[synapse] "list-devices" => list, "List where a user is logged in";
    "list-sessions" => list_sessions, "List from where a user came lately";
    #[synapse] "rename-device" => rename, "Give a user's device another name";
    #[synapse] "verify" => verify, "Show whom an account trusts, and verify people and devices";
    #[synapse] "remove-device" => remove, "Log a user out of devices";
}
