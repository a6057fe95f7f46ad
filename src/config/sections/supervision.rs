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
        /// How often a running service is asked how it is.
        probe_interval: Span = "15s" ["MATRIX_SYNAPSE_PROBE_INTERVAL"];
        /// How long Synapse may not answer at all before it is taken for hung and restarted.
        hung_after: Span = "2m" ["MATRIX_SYNAPSE_HUNG_AFTER"];
        /// How often a service that dies is started again within ten minutes.
        restarts: u32 = "5" ["MATRIX_SYNAPSE_RESTARTS"];
        /// The size at which a log file is put aside.
        log_size: Size = "20M" ["MATRIX_SYNAPSE_LOG_SIZE"];
        /// How many old log files of a service are kept.
        log_files: u32 = "4" ["MATRIX_SYNAPSE_LOG_FILES"];
    }
}
