//! The flows of one homeserver. They print nothing.

pub(crate) mod bridges;
pub(crate) mod install;
pub(crate) mod lifecycle;
pub(crate) mod lock;
pub(crate) mod prepare;
pub(crate) mod status;
pub(crate) mod workers;
