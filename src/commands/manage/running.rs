//! What a start and a restart answer: what runs now.

use std::fmt::{self, Write as _};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    context::Context, error::Failure, output::Report, services, supervisor::record::Snapshot,
};

/// What this command did.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Change {
    Nothing,
    /// All ran, but the operator's session was invalid and was renewed.
    Session,
    Started,
    Restarted,
}

/// What runs now.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Running {
    #[serde(rename = "running")]
    up: bool,
    /// Whether this command changed anything.
    changed: bool,
    change: Change,
    url: String,
    server_name: String,
    services: Vec<String>,
}

impl Running {
    pub(super) fn new(context: &Context, now: Snapshot, change: Change) -> Result<Self, Failure> {
        let config = context.config()?;
        let url = services::listens(&now).unwrap_or_else(|| config.local_url());
        let server_name = config.server.name.to_string();
        let changed = change != Change::Nothing;
        Ok(Self { up: true, changed, change, url, server_name, services: now.order })
    }
}

impl Report for Running {
    fn text(&self, page: &mut String) -> fmt::Result {
        let word = match self.change {
            Change::Started => "started",
            Change::Restarted => "restarted",
            Change::Nothing | Change::Session => "already running",
        };
        writeln!(page, "{word}: {} ({})", self.url, self.server_name)?;
        if self.change == Change::Session {
            page.push_str("the operator's session was invalid and was renewed\n");
        }
        Ok(())
    }

    fn details(&self, page: &mut String) -> fmt::Result {
        writeln!(page, "services: {}", self.services.join(", "))
    }

    fn id(&self) -> Option<&str> {
        Some(&self.url)
    }
}
