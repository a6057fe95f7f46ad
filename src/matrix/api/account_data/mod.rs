//! What the programs of a user keep on the server.

pub(crate) mod get;
pub(crate) mod get_of_room;
pub(crate) mod put;
pub(crate) mod put_of_room;
