//! What can be typed. The folder tree is the command tree; a command's file holds its arguments, its
//! run, and the answer it returns.

/// What this program is called.
pub(crate) const NAME: &str = "resource-matrix-synapse";

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
    use super::{completions, credentials, info, logs, status, table::commands};

    commands! {
        "Commands";
        "status" => status, "Show how the homeserver is: 0 healthy, 1 unhealthy, 2 not running";
        "logs" => logs, "Show what the processes wrote: 2 if nothing is there";
        "info" => info, "Print what the platform wants to know before it starts this";
        "credentials" => credentials, "Print what a program needs to talk to the homeserver";
        "completions" => completions, "Print the completions for bash, zsh or fish";
    }
}
