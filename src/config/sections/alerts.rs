//! Who is told when something is wrong.

use crate::config::values::{setting::section, shape::Span};

section! {
    /// Who is told when something is wrong.
    Alerts "alerts" {
        /// Room that is told when a service fails, is unhealthy or recovers, and when a backup fails, is bad or is overdue: its id, its alias or `#name`.
        room: Option<String> = "" ["MATRIX_SYNAPSE_ALERTS_ROOM"];
        /// Minimum time between two messages; what happens in between is sent as one.
        interval: Span = "30s" ["MATRIX_SYNAPSE_ALERTS_INTERVAL"];
    }
}
