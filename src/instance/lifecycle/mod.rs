//! Starting, stopping and restarting, all of it or some services.

mod definition;
pub(crate) mod hooks;
pub(crate) mod launch;
pub(crate) mod one;
pub(crate) mod restart;
pub(crate) mod select;
pub(crate) mod start;
pub(crate) mod stop;
pub(crate) mod wait;
