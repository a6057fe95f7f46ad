//! `content`: the relay, which is chat for an application.

use crate::commands::table::commands;

mod manage;
mod shown;

commands! {
    "Relay";
    "relay" => manage, "Show and mend what an application's chat tells Matrix, and its keys";
}
