//! `manage restart`: everything anew, with the settings as they are now, or some services.

use std::fmt;

use serde::Serialize;

use super::start::{Change, Running};
use crate::{
    commands::{Outcome, Result},
    config::values::shape::Span,
    context::{self, Context},
    instance::lifecycle::{
        restart,
        start::{self, Started},
        stop,
    },
    output::{Output, Report},
    services,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Restart only these services, such as synapse
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
    /// Start the services of this profile from now on
    #[arg(long, value_name = "NAME", conflicts_with = "services")]
    profile: Option<String>,
    /// Kill the processes instead of asking them to end
    #[arg(long)]
    force: bool,
    /// How long it may take until all is ready again, such as 90 or 3m
    #[arg(long, value_name = "TIME")]
    timeout: Option<Span>,
}

#[derive(Serialize)]
struct Restarted {
    services: Vec<String>,
    restarted: bool,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let context = &context.with(context::profile(args.profile.as_deref()));
    let config = context.config()?;
    config.warnings.iter().for_each(|warning| output.warn(warning));
    if config.data.is_installed() {
        // Nothing is stopped that could not be started again.
        services::outline(config)?;
    }
    if context.dry_run {
        super::Planned::emit("stop and start it", output);
        return Ok(Outcome::Done);
    }
    let timeout = args.timeout.unwrap_or(config.supervision.start_timeout).0;
    if !args.services.is_empty() {
        let progress = output.progress(format!("restarting {}", args.services.join(", ")));
        let services = restart::some(config, &args.services, timeout).await?;
        drop(progress);
        output.emit(&Restarted { services, restarted: true });
        return Ok(Outcome::Done);
    }
    let progress = output.progress("checking the settings");
    restart::check(config, args.force, timeout).await?;
    drop(progress);
    if args.profile.is_some() {
        start::keep_profile(config)?;
    }
    let patience = super::start::time(None, context, super::stop::PATIENCE);
    let options = stop::Options { timeout: patience, force: args.force };
    super::stop::go(context, options, output).await?;
    let options = start::Options { services: Vec::new(), timeout, force: args.force };
    let (Started::Now(now) | Started::Already { now, .. }) =
        super::start::go(context, options, output).await?;
    output.emit(&Running::new(context, now, Change::Started)?);
    Ok(Outcome::Done)
}

impl Report for Restarted {
    fn text(&self, page: &mut String) -> fmt::Result {
        page.push_str("restarted: ");
        page.push_str(&self.services.join(", "));
        Ok(())
    }

    fn id(&self) -> Option<&str> {
        self.services.first().map(String::as_str)
    }
}
