//! The flows of one homeserver. They print nothing.

pub(crate) mod alerts;
pub(crate) mod aside;
pub(crate) mod autoscale;
pub(crate) mod bridge;
pub(crate) mod certificates;
mod defined;
pub(crate) mod held;
pub(crate) mod hooks;
pub(crate) mod install;
pub(crate) mod join;
pub(crate) mod named;
mod persist;
pub(crate) mod ports;
pub(crate) mod preflight;
pub(crate) mod prepare;
pub(crate) mod ready;
pub(crate) mod rendered;
pub(crate) mod restart;
pub(crate) mod scale;
pub(crate) mod secrets;
pub(crate) mod sibling;
pub(crate) mod start;
pub(crate) mod status;
pub(crate) mod stop;
pub(crate) mod stored;
pub(crate) mod uninstall;
pub(crate) mod used;
