//! Endpoints of the Matrix client API, one a file, in ruma's style. They are not ruma's own: those would take
//! an id in a path as it is (see [`super::segment`]), and do not say whether they may be repeated.

pub(crate) mod add_alias;
pub(crate) mod alias;
pub(crate) mod aliases;
pub(crate) mod appservice_ping;
pub(crate) mod ban;
pub(crate) mod capabilities;
pub(crate) mod create_room;
pub(crate) mod forget;
pub(crate) mod get_visibility;
pub(crate) mod invite;
pub(crate) mod join;
pub(crate) mod join_through;
pub(crate) mod joined_members;
pub(crate) mod joined_rooms;
pub(crate) mod kick;
pub(crate) mod knock;
pub(crate) mod leave;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod media_config;
pub(crate) mod messages;
pub(crate) mod public_rooms;
pub(crate) mod put_state;
pub(crate) mod redact;
pub(crate) mod relations;
pub(crate) mod remove_alias;
pub(crate) mod send_event;
pub(crate) mod set_visibility;
pub(crate) mod state;
pub(crate) mod sync;
pub(crate) mod unban;
pub(crate) mod upgrade;
pub(crate) mod upload;
