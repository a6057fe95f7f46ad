//! How the processes are kept.

use crate::config::values::{
    setting::section,
    shape::{Size, Span},
};

section! {
    /// How the processes are kept.
    Supervision "supervision" {
        /// How long a start may take until everything is ready.
        start_timeout: Span = "60s" ["MATRIX_SYNAPSE_START_TIMEOUT"];
        /// How long a stop may take before processes are killed.
        stop_timeout: Span = "30s" ["MATRIX_SYNAPSE_STOP_TIMEOUT"];
        /// Interval between health probes of a running service.
        probe_interval: Span = "15s" ["MATRIX_SYNAPSE_PROBE_INTERVAL"];
        /// How long Synapse may fail to answer before it counts as hung and is restarted.
        hung_after: Span = "2m" ["MATRIX_SYNAPSE_HUNG_AFTER"];
        /// How often a service that dies is restarted within ten minutes.
        restarts: u32 = "5" ["MATRIX_SYNAPSE_RESTARTS"];
        /// Size at which a log file is rotated.
        log_size: Size = "20M" ["MATRIX_SYNAPSE_LOG_SIZE"];
        /// How many rotated log files of a service are kept.
        log_files: u32 = "4" ["MATRIX_SYNAPSE_LOG_FILES"];
    }
}
