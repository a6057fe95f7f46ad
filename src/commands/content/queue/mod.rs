//! `content`: what waits to be sent, and what was refused.

use crate::commands::table::commands;

mod manage;

commands! {
    "Queue";
    "queue" => manage, "Show or change what waits to be sent and what was refused";
}
