//! `content`: what users reported, and what the server tells them.

use crate::commands::table::commands;

pub(in crate::commands::content) mod get;
pub(in crate::commands::content) mod list;
pub(in crate::commands::content) mod notice;
pub(in crate::commands::content) mod remove;

commands! {
    "Reports";
    #[synapse] "list-reports" => list, "List the messages that users reported, or the users";
    #[synapse] "get-report" => get, "Show a report and what it is about";
    #[synapse] "remove-report" => remove, "Forget a report that is dealt with";
    #[synapse] "send-notice" => notice, "Tell a user something in the name of the server";
}
