//! `config`: the settings, ours and Synapse's.

use super::table::commands;

mod check;
mod render;
mod set;
mod show;

commands! {
    "Commands";
    "check" => check, "Check all settings, ours and Synapse's: 0 good, 1 bad";
    "show" => show, "Show each setting, and where its value came from";
    "set" => set, "Change one setting; comments in settings.yaml stay";
    "render" => render, "Print the homeserver.yaml rendered from the settings";
}
