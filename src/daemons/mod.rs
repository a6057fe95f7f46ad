//! What runs on beside the homeserver and watches it, each a service that talks to the supervisor's socket.

pub(crate) mod alerts;
pub(crate) mod autoscale;
pub(crate) mod backups;
pub(crate) mod certificates;
