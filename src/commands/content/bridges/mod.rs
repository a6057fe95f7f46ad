//! `content`: the ways to other chat networks.

use crate::commands::table::commands;

pub(in crate::commands::content) mod add;
pub(in crate::commands::content) mod list;
pub(in crate::commands::content) mod logs;
pub(in crate::commands::content) mod remove;

commands! {
    "Bridges";
    #[old] "add-bridge" => add, "Bridge to another chat network";
    #[old] "list-bridges" => list, "List the bridges and how they are";
    "remove-bridge" => remove, "Take a bridge away";
    "bridge-logs" => logs, "Show what a bridge wrote";
}
