//! `content`: other servers, and any endpoint.

use crate::commands::table::commands;

pub(in crate::commands::content) mod execute;
pub(in crate::commands::content) mod federation_check;
pub(in crate::commands::content) mod raw;

commands! {
    "Server";
    "federation-check" => federation_check, "Check federation with a server, step by step: 1 if it fails";
    "raw" => raw, "Call any endpoint of the server: a method and a path";
    "execute" => execute, "Call any endpoint of the server as the operator";
}
