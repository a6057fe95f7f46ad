//! What the server counts.

pub(crate) mod users_media;
