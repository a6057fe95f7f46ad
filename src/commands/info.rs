//! `info`: what the platform wants to know of a resource before it starts it.

use std::fmt::{self, Write as _};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    commands::{Answered, Reply},
    context::Context,
    error::{Failure, Kind},
    output::{self, Report},
};

/// Compiled in, so that the answer needs no file.
pub(crate) const RUNTIME: &str = include_str!("../../config/runtime.json");

#[derive(clap::Args)]
pub(crate) struct Args {}

/// `config/runtime.json` (v2.0 contract, `runtime_config`).
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Info {
    pub(crate) name: String,
    pub(crate) description: String,
    /// 0 to 1000; lower starts earlier.
    startup_order: u16,
    dependencies: Vec<String>,
    /// How long a start takes, in seconds: `MIN-MAXs`.
    startup_time_estimate: String,
    /// How long a start may take, in seconds.
    startup_timeout: u32,
    /// 1 to 5.
    recovery_attempts: u8,
    priority: String,
}

pub(crate) fn info() -> Result<Info, Failure> {
    serde_json::from_str(RUNTIME).map_err(|error| Failure {
        kind: Kind::Bug,
        error: error.into(),
        hint: None,
    })
}

pub(crate) async fn run(_: Args, _: &Context) -> Answered<Info> {
    Ok(Reply::done(info()?))
}

impl Report for Info {
    fn text(&self, page: &mut String) -> fmt::Result {
        writeln!(page, "{}: {}\n", self.name, self.description)?;
        output::fields(
            page,
            &[
                ("startup_order", self.startup_order.to_string()),
                ("dependencies", self.dependencies.join(", ")),
                ("startup_time_estimate", self.startup_time_estimate.clone()),
                ("startup_timeout", format!("{}s", self.startup_timeout)),
                ("recovery_attempts", self.recovery_attempts.to_string()),
                ("priority", self.priority.clone()),
            ],
        )
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn runtime_json_keeps_to_the_contract() {
        let info = super::info().unwrap();
        assert!(info.startup_order <= 1000);
        assert!((1..=5).contains(&info.recovery_attempts));
        assert!(["critical", "high", "medium", "low"].contains(&info.priority.as_str()));
        let (min, max) = info.startup_time_estimate.trim_end_matches('s').split_once('-').unwrap();
        assert!(min.parse::<u32>().unwrap() < max.parse::<u32>().unwrap());
    }
}
