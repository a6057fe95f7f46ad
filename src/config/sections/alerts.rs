//! Who is told when something is wrong.

use crate::config::values::{setting::section, shape::Span};

section! {
    /// Who is told when something is wrong.
    Alerts "alerts" {
        /// The room that is told when a service fails, is not well, or is well again: its id, its alias or `#name`.
        room: Option<String> = "" ["MATRIX_SYNAPSE_ALERTS_ROOM"];
        /// The least time between two messages; what happens in between comes as one.
        interval: Span = "30s" ["MATRIX_SYNAPSE_ALERTS_INTERVAL"];
    }
}
