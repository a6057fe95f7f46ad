//! `mcp`: the verbs as tools for other programs; `crate::mcp` answers.

use clap::ValueEnum;

use super::reply::{Nothing, Stream};
use crate::{context::Context, error::Failure, reply::Stop};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What the tools may do; without it they only read
    #[arg(long, value_name = "WHAT")]
    pub(crate) allow: Option<Allow>,
    /// Answer over HTTP at this port of 127.0.0.1, to who has the token; 0 takes a free one
    #[arg(long, value_name = "PORT")]
    pub(crate) http: Option<u16>,
}

/// What tools may do beside reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Allow {
    /// Messages and rooms
    Write,
    /// Services, settings and accounts too
    Manage,
}

impl Allow {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Manage => "manage",
        }
    }
}

/// It is no verb that another one could call: the front door is above all verbs.
pub(crate) async fn run(_: Args, _: &Context) -> Result<Stream<Nothing>, Stop> {
    Err(Failure::request("`mcp` is typed, and no verb calls it").into())
}
