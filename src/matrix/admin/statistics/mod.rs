//! What the server counts.

pub(crate) mod largest_rooms;
pub(crate) mod users_media;
