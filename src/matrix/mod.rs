//! The server on the wire: one [`client::Client`] that sends ruma's requests and Synapse's admin
//! requests alike, the sessions it acts with, and what takes more than one request.

pub(crate) mod account_data;
pub(crate) mod admin;
pub(crate) mod api;
pub(crate) mod attachment;
pub(crate) mod bot;
pub(crate) mod client;
mod dendrite;
pub(crate) mod direct;
pub(crate) mod download;
pub(crate) mod edit;
pub(crate) mod error;
pub(crate) mod html;
pub(crate) mod jwt;
pub(crate) mod known;
pub(crate) mod leaders;
pub(crate) mod markdown;
pub(crate) mod media;
pub(crate) mod message;
pub(crate) mod names;
pub(crate) mod new_room;
mod once;
pub(crate) mod operator;
pub(crate) mod ping;
pub(crate) mod relations;
pub(crate) mod repeat;
pub(crate) mod room;
pub(crate) mod running;
pub(crate) mod sealed;
pub(crate) mod segment;
mod sent;
pub(crate) mod session;
pub(crate) mod sliding;
pub(crate) mod stream;
pub(crate) mod thread;
mod tls;
#[cfg(test)]
pub(crate) mod wire;

pub(crate) use error::Error;
