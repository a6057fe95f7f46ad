//! `config`: the settings, ours and Synapse's.

use super::table::commands;

mod check;
mod render;
mod set;
mod show;

commands! {
    "Commands";
    #[old] "check" => check, "Check all settings, ours and Synapse's: 0 good, 1 bad";
    #[old] "show" => show, "Show each setting, and where its value came from";
    #[old] "set" => set, "Change one setting; comments in settings.yaml stay";
    #[old] "render" => render, "Print the homeserver.yaml that the settings make";
}
