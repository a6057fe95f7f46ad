//! The flows of one homeserver. They print nothing.

pub(crate) mod status;
