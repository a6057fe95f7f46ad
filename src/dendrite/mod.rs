//! Dendrite in the place of Synapse: its program on disk, and the files it reads. What it can do is less, and what
//! this program does with it is in `docs/dendrite.md`.

mod error;
mod files;
mod program;

pub(crate) use error::Error;
pub(crate) use files::{is_current, prepare, render, revision, write};
pub(crate) use program::{Plan, plan, program};
