//! Private Python environments: a hash-locked set of packages in a folder of its own, installed with
//! uv where it can be had and pip otherwise. `bash lib/lock.sh` renews the sets (`*.in` -> `*.lock`).
//!
//! An environment cannot be moved, so it is made in its final place, whose name holds the hash of all
//! it is made from; one that is made anew gets a number behind that. A file `.complete` is written last, and only then does the link that everybody
//! uses point to it: an install that is killed leaves the old one working.

mod environment;
mod error;
mod interpreter;
pub(crate) mod lock;
mod resolve;
mod set;

pub(crate) use environment::{Environment, Plan, before, lend, plan, switch};
pub(crate) use error::Error;
pub(crate) use interpreter::path as interpreter;
pub(crate) use lock::place;
pub(crate) use resolve::{Differs, difference, keep};
pub(crate) use set::{SYNAPSE, Set};
