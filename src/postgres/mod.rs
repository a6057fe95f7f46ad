//! The database: which PostgreSQL a homeserver uses, role and database made ready there (plan, then
//! apply), our own cluster where there is no other, and what can be counted in it.
//!
//! A homeserver never changes its database by itself: what was chosen once is noted in the data
//! folder (`record`), and from then on `auto` means that.

pub(crate) mod connect;
pub(crate) mod contents;
mod ddl;
pub(crate) mod drop_made;
pub(crate) mod dump;
pub(crate) mod embedded;
mod error;
pub(crate) mod filled;
pub(crate) mod major;
mod people;
mod plan;
pub(crate) mod provision;
mod record;
mod scram;
mod server;
pub(crate) mod stats;
mod survey;
mod tables;
mod target;
mod tenant;
#[cfg(test)]
mod tests;
pub(crate) mod theirs;

pub(crate) use connect::{Who, connect};
pub(crate) use contents::{Contents, holds_synapse};
pub(crate) use drop_made::drop_made;
pub(crate) use error::Error;
pub(crate) use people::people;
pub(crate) use plan::{Plan, Step};
pub(crate) use provision::{answers_by, ensure, has_room, plan};
pub(crate) use record::{can_be_read, made_for, note_use, used_by};
pub(crate) use server::with_server;
pub(crate) use stats::{Stats, Written, stats, written};
pub(crate) use tables::{Tables, tables};
pub(crate) use target::{ClientSettings, Target, client_settings, target, write_passfile};
pub(crate) use tenant::Tenant;
