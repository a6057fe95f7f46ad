//! `content`: the ways to other chat networks.

use crate::commands::table::commands;

pub(in crate::commands::content) mod add;
pub(in crate::commands::content) mod list;
pub(in crate::commands::content) mod logs;
pub(in crate::commands::content) mod remove;
mod wanted;

commands! {
    "Bridges";
    "add-bridge" => add, "Bridge to another chat network";
    "list-bridges" => list, "List bridges and their state";
    "remove-bridge" => remove, "Remove a bridge";
    "bridge-logs" => logs, "Show the log of a bridge";
}
