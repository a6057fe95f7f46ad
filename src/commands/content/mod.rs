//! `content`: users, rooms, bots, bridges and messages. A folder for each noun, a file for each verb.

use super::table::Noun;

mod addresses;
mod arguments;
mod background;
mod bots;
mod bridges;
mod devices;
mod generic;
mod hooks;
mod keys;
mod media;
mod messages;
mod queue;
mod relay;
mod reports;
mod rooms;
mod server;
mod tokens;
mod users;

/// In the order of the help.
pub(crate) const NOUNS: &[Noun] = &[
    messages::NOUN,
    queue::NOUN,
    rooms::NOUN,
    addresses::NOUN,
    users::NOUN,
    devices::NOUN,
    keys::NOUN,
    tokens::NOUN,
    bots::NOUN,
    hooks::NOUN,
    bridges::NOUN,
    relay::NOUN,
    media::NOUN,
    reports::NOUN,
    server::NOUN,
    generic::NOUN,
];
