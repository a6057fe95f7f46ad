//! The flows of one homeserver. They print nothing.

pub(crate) mod backup;
pub(crate) mod bridges;
mod error;
pub(crate) mod guard;
mod homeserver;
pub(crate) mod install;
pub(crate) mod lifecycle;
pub(crate) mod lock;
pub(crate) mod major;
pub(crate) mod moving;
pub(crate) mod prepare;
pub(crate) mod status;
pub(crate) mod step;
pub(crate) mod upgrade;
pub(crate) mod workers;

pub(crate) use error::failed;
