//! What a message costs each process, measured by `bench/costs.py` with the Synapse that is installed:
//! CPU time from /proc, of 300 messages into four rooms, then of 100 into one where eight people wait,
//! on two cores of a virtual machine (Debian 12, Python 3.11, PostgreSQL 15). The sum with workers, 28 ms
//! without PostgreSQL, against 13 ms of one process, agrees with what both were seen to carry on these
//! two cores: 48 and 68 messages a second into eight rooms where nobody waits. Other machines are faster
//! or slower; the ratios between the costs stay.

use serde::Serialize;

/// One figure, and what it is of.
#[derive(Clone, Copy, Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Cost {
    pub(crate) name: &'static str,
    /// In what `unit` says.
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) what: &'static str,
}

/// `NAME: value, unit, what;` of each, and all of them as a list.
macro_rules! costs {
    ($($name:ident: $value:literal, $unit:literal, $what:literal;)+) => {
        $(#[doc = concat!($what, ", in ", $unit)]
        pub(crate) const $name: Cost =
            Cost { name: stringify!($name), value: $value, unit: $unit, what: $what };)+
        pub(crate) const ALL: &[Cost] = &[$($name),+];
    };
}

costs! {
    ALONE: 13.4, "ms", "a message in the only process of Synapse";
    SEND: 8.2, "ms", "a message in the worker that takes it in";
    PERSIST: 8.0, "ms", "a message in the worker that writes it";
    MAIN: 0.3, "ms", "a message in the main process beside workers";
    HEAR: 2.6, "ms", "a message in every process of Synapse, where there are workers";
    DELIVER: 4.8, "ms", "a message for each client that waits for it (an answer of /sync)";
    POLL: 2.2, "ms", "an answer of /sync without news";
    DATABASE_ALONE: 7.5, "ms", "a message in PostgreSQL, with one process";
    DATABASE: 11.2, "ms", "a message in PostgreSQL, with workers";
    DATABASE_DELIVER: 2.9, "ms", "a message for each client that waits for it, in PostgreSQL";
    DATABASE_POLL: 0.3, "ms", "an answer of /sync without news, in PostgreSQL";
    REDIS: 0.3, "ms", "a message in Redis";
    MEMORY: 125.0, "MB", "resident memory of a process of Synapse";
    MEMORY_CONNECTION: 9.0, "MB", "memory of a connection in PostgreSQL";
    MEMORY_REDIS: 12.0, "MB", "resident memory of Redis";
}
