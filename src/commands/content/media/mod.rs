//! `content`: what people have uploaded.

use crate::commands::table::commands;

pub(in crate::commands::content) mod download;
pub(in crate::commands::content) mod get;
pub(in crate::commands::content) mod marked;
pub(in crate::commands::content) mod mxc;
pub(in crate::commands::content) mod of_message;
pub(in crate::commands::content) mod of_room;
pub(in crate::commands::content) mod protect;
pub(in crate::commands::content) mod purge_remote;
pub(in crate::commands::content) mod quarantine;
pub(in crate::commands::content) mod remove;
pub(in crate::commands::content) mod send;
pub(in crate::commands::content) mod since;
pub(in crate::commands::content) mod unprotect;
pub(in crate::commands::content) mod unquarantine;
pub(in crate::commands::content) mod usage;

commands! {
    "Media";
    "send-media" => send, "Send a file to a room";
    "download-media" => download, "Fetch a file";
    #[synapse] "media" => usage, "Show media usage by kind and by user";
    #[synapse] "list-room-media" => of_room, "List the files of a room";
    #[synapse] "get-media" => get, "Show what is known of a file";
    #[synapse] "remove-media" => remove, "Delete files";
    #[synapse] "purge-remote-media" => purge_remote, "Delete copies of files of other servers";
    #[synapse] "quarantine-media" => quarantine, "Keep everybody from seeing files";
    #[synapse] "unquarantine-media" => unquarantine, "Let everybody see a file again";
    #[synapse] "protect-media" => protect, "Keep a file from being quarantined";
    #[synapse] "unprotect-media" => unprotect, "Let a file be quarantined again";
}
