//! `config check`.

use std::fmt;

use serde::Serialize;

use crate::{
    clock,
    commands::{Outcome, Result},
    context::Context,
    error::Failure,
    instance::{prepare, rendered},
    output::{Output, Report},
    postgres, proxy, services,
    synapse::files,
    tls,
};

#[derive(clap::Args)]
pub(crate) struct Args {}

#[derive(Serialize)]
struct Checked {
    valid: bool,
    /// Whether the installed Synapse was asked; it cannot be before it is installed.
    synapse_asked: bool,
    /// Whether the installed files are what the settings make.
    in_use: bool,
    /// Requests that workers would answer and that go to the main process all the same, as patterns
    /// of their paths: this program does not know them.
    unrouted: Vec<String>,
}

pub(crate) async fn run(_: Args, context: &Context, output: &Output) -> Result {
    let config = context.config()?;
    services::outline(config)?;
    config.warnings.iter().for_each(|warning| output.warn(warning));
    postgres::can_be_read(&config.data)?;
    for warning in tls::check(config, clock::now())? {
        output.warn(warning);
    }
    let wanted = rendered::render(config)?;
    let environment = rendered::environment(config);
    let synapse_asked = environment.is_complete() && prepare::is_installed(&config.data);
    let (mut in_use, mut unrouted) = (false, Vec::new());
    if synapse_asked {
        files::check(config, &wanted, &environment).await?;
        in_use = files::is_current(&config.data, &wanted).map_err(Failure::from)?;
        in_use &= proxy::check(config, &wanted.homeserver).await?;
        unrouted = proxy::unrouted(config, &wanted.homeserver).await?;
    }
    if !unrouted.is_empty() {
        output.warn(format!(
            "the main process answers what workers could, because no rule knows it: {}",
            unrouted.join(" ")
        ));
    }
    output.emit(&Checked { valid: true, synapse_asked, in_use, unrouted });
    Ok(Outcome::Done)
}

impl Report for Checked {
    fn text(&self, page: &mut String) -> fmt::Result {
        page.push_str(match (self.synapse_asked, self.in_use) {
            (false, _) => "our settings are good; Synapse is not installed, so it was not asked",
            (true, true) => "all settings are good and in use",
            (true, false) => "all settings are good; `manage install` puts them to use",
        });
        Ok(())
    }

    fn id(&self) -> Option<&str> {
        Some("")
    }
}
