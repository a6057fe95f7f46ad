//! Users, as an admin sees them.

pub(crate) mod deactivate;
pub(crate) mod get;
pub(crate) mod joined_rooms;
pub(crate) mod list;
pub(crate) mod override_ratelimit;
pub(crate) mod put;
pub(crate) mod reset_password;
pub(crate) mod suspend;
