//! `content`: the ways to other chat networks.

use crate::commands::table::commands;

pub(in crate::commands::content) mod add;
pub(in crate::commands::content) mod list;
pub(in crate::commands::content) mod logs;
pub(in crate::commands::content) mod remove;
mod wanted;

commands! {
    "Bridges";
    #[synapse] "add-bridge" => add, "Bridge to another chat network";
    #[synapse] "list-bridges" => list, "List bridges and their state";
    #[synapse] "remove-bridge" => remove, "Remove a bridge";
    #[synapse] "bridge-logs" => logs, "Show the log of a bridge";
}
