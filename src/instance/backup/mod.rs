//! Backups of a homeserver that may go on running meanwhile, and the way back.

pub(crate) mod at;
pub(crate) mod base;
mod error;
mod make;
mod remove;
pub(crate) mod restore;
pub(crate) mod sealing;
pub(crate) mod store;
pub(crate) mod verify;

pub(crate) use error::Error;
pub(crate) use make::{Made, Wanted, make};
pub(crate) use remove::remove;

/// How far it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// In bytes, before they are compressed.
    pub(crate) done: u64,
    /// About how many there are.
    pub(crate) all: u64,
}
