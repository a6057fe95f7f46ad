//! Starting, stopping and restarting, all of it or some services.

pub(crate) mod definition;
pub(crate) mod hooks;
pub(crate) mod restart;
pub(crate) mod select;
pub(crate) mod start;
pub(crate) mod stop;
pub(crate) mod wait;
