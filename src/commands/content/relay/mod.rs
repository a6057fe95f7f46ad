//! `content`: the relay, which is chat for an application.

use crate::commands::table::commands;

mod manage;
mod shown;

commands! {
    "Relay";
    "relay" => manage, "Show or change what an application's chat tells Matrix";
}
