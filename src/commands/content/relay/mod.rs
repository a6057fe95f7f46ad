//! `content`: the relay, which is chat for an application.

use crate::commands::table::commands;

mod manage;
mod shown;

commands! {
    "Relay";
    #[synapse] "relay" => manage, "Show or change what an application's chat tells Matrix";
}
