//! Endpoints of the Matrix client API, one a file, in ruma's style. Those with a parameter in their path
//! cannot be ruma's own, which would take an id as it is (see [`super::segment`]); of the others it is said
//! here whether they may be repeated.

pub(crate) mod alias;
pub(crate) mod appservice_ping;
pub(crate) mod invite;
pub(crate) mod join;
pub(crate) mod join_through;
pub(crate) mod joined_members;
pub(crate) mod leave;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod media_config;
pub(crate) mod messages;
pub(crate) mod redact;
pub(crate) mod relations;
pub(crate) mod send_event;
pub(crate) mod state;

use ruma::api::client::{
    media::create_content, membership::joined_rooms, room::create_room, sync::sync_events,
};

use super::repeat::Repeat;

impl Repeat for create_room::v3::Request {
    // The second would be another room.
    const REPEATABLE: bool = false;
}

impl Repeat for create_content::v3::Request {
    // The second would be another file.
    const REPEATABLE: bool = false;
}

impl Repeat for joined_rooms::v3::Request {
    const REPEATABLE: bool = true;
}

impl Repeat for sync_events::v3::Request {
    const REPEATABLE: bool = true;
}
