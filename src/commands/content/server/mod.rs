//! `content`: other servers, and any endpoint.

use crate::commands::table::commands;

pub(in crate::commands::content) mod destinations;
pub(in crate::commands::content) mod execute;
pub(in crate::commands::content) mod federation_check;
pub(in crate::commands::content) mod largest_rooms;
pub(in crate::commands::content) mod pause;
pub(in crate::commands::content) mod paused;
pub(in crate::commands::content) mod raw;
pub(in crate::commands::content) mod resume;
pub(in crate::commands::content) mod tasks;
pub(in crate::commands::content) mod updates;

commands! {
    "Server";
    #[synapse] "federation-check" => federation_check, "Check federation with a server, step by step: 1 if it fails";
    "raw" => raw, "Call any endpoint of the server: a method and a path";
    #[synapse] "list-destinations" => destinations, "List the servers that this one has had to do with";
    #[synapse] "list-tasks" => tasks, "List what the server does in the background";
    #[synapse] "list-background-updates" => updates, "Show what is done to the database in the background";
    #[synapse] "pause-background-updates" => pause, "Pause what is done to the database in the background";
    #[synapse] "resume-background-updates" => resume, "Let what is done to the database in the background go on";
    #[synapse] "largest-rooms" => largest_rooms, "List the rooms that are the largest in the database";
    "execute" => execute, "Call any endpoint of the server as the operator";
}
