//! `config`: the settings, ours and Synapse's.

use super::commands;

mod check;
mod render;
mod show;

commands! {
    "check" => check, "Check all settings, ours and Synapse's: 0 good, 1 bad";
    "show" => show, "Show each setting, and where its value came from";
    "render" => render, "Print the homeserver.yaml that the settings make";
}
