//! What can be typed. The folder tree is the command tree; a command's file holds its arguments, its
//! run, and the answer it returns.

/// What this program is called.
pub(crate) const NAME: &str = "resource-matrix-synapse";

pub(crate) mod agents;
mod arguments;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod content;
pub(crate) mod credentials;
pub(crate) mod daemon;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod generated;
mod help;
pub(crate) mod info;
mod listing;
pub(crate) mod logs;
pub(crate) mod manage;
mod moment;
mod offered;
pub(crate) mod reply;
pub(crate) mod status;
pub(crate) mod table;
pub(crate) mod test;
pub(crate) mod tree;
pub(crate) mod typed;

pub(crate) use reply::{Answered, Reply};

/// The words that stand alone.
mod leaves {
    use super::{agents, completions, credentials, info, logs, status, table::commands};

    commands! {
        "Commands";
        "status" => status, "Show the state of the homeserver: 0 healthy, 1 unhealthy, 2 not running";
        "logs" => logs, "Show the logs of the processes: 2 if there are none";
        "info" => info, "Print startup order, dependencies and timeouts for the platform";
        "credentials" => credentials, "Print what a program needs to connect to the homeserver";
        "mcp" => agents, "Answer programs that speak the Model Context Protocol";
        "completions" => completions, "Print the completion script for bash, zsh or fish";
    }
}
