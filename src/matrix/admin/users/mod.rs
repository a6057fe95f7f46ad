//! Users, as an admin sees them.

pub(crate) mod deactivate;
pub(crate) mod get;
pub(crate) mod get_ratelimit;
pub(crate) mod joined_rooms;
pub(crate) mod lift_shadow_ban;
pub(crate) mod list;
pub(crate) mod override_ratelimit;
pub(crate) mod put;
pub(crate) mod reactivate;
pub(crate) mod redact;
pub(crate) mod redact_status;
pub(crate) mod reset_password;
pub(crate) mod reset_ratelimit;
pub(crate) mod set_admin;
pub(crate) mod shadow_ban;
pub(crate) mod suspend;
pub(crate) mod whois;
