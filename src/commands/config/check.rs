//! `config check`.

use std::fmt::{self, Write as _};

use serde::Serialize;

use crate::{
    clock,
    commands::{Outcome, Result},
    context::Context,
    error::Failure,
    instance::prepare::{self, applied, ports, render},
    oidc,
    output::{Output, Report},
    postgres, proxy, s3, services,
    synapse::files,
    tls, web,
};

#[derive(clap::Args)]
pub(crate) struct Args {}

#[derive(Serialize)]
struct Checked {
    valid: bool,
    /// Whether the installed Synapse was asked; it cannot be before it is installed.
    synapse_asked: bool,
    /// Whether the installed files are what the settings make, and all that runs was started with them.
    in_use: bool,
    /// Requests that workers would answer and that go to the main process all the same, as patterns
    /// of their paths: this program does not know them.
    unrouted: Vec<String>,
    running: bool,
    /// The settings that what runs does not use yet; `homeserver.yaml` stands for those of Synapse's
    /// own, `nginx.conf` for all else that the proxy is told.
    unused: Vec<String>,
}

pub(crate) async fn run(_: Args, context: &Context, output: &Output) -> Result {
    let config = context.config()?;
    services::outline(config)?;
    config.warnings.iter().for_each(|warning| output.warn(warning));
    postgres::can_be_read(&config.data)?;
    for warning in tls::check(config, clock::now())? {
        output.warn(warning);
    }
    ports::differ(config)?;
    render::fits(config)?;
    if let Err(error) = oidc::discover(config).await {
        // Synapse asks it again at each login.
        output.warn(Failure::from(error).to_string());
    }
    web::check(config)?;
    let wanted = render::render(config)?;
    let environment = render::environment(config);
    let synapse_asked = environment.is_complete() && prepare::is_installed(&config.data);
    let (mut for_synapse, mut for_proxy, mut unrouted) = (false, false, Vec::new());
    if synapse_asked {
        match s3::ask(config, &environment).await {
            // Synapse could not even read its settings.
            Err(error @ s3::Error::NotInstalled) => return Err(error.into()),
            Err(error) => output.warn(Failure::from(error).to_string()),
            Ok(()) => {}
        }
        render::prepare_for_synapse(config)?;
        render::bridges_are_read(config).await?;
        files::check(config, &wanted, &environment).await?;
        for_synapse = files::is_current(&config.data, &wanted).map_err(Failure::from)?;
        for_proxy = proxy::check(config, &wanted.homeserver).await?;
        unrouted = proxy::unrouted(config, &wanted.homeserver).await?;
    }
    if !unrouted.is_empty() {
        output.warn(format!(
            "the main process answers what workers could, because no rule knows it: {}",
            unrouted.join(" ")
        ));
    }
    let now = context.supervisor().await?;
    let mut unused = Vec::new();
    let mut in_use = for_synapse && for_proxy;
    if let Some(now) = &now {
        unused = applied::changed(config, now)?;
        if unused.is_empty() && synapse_asked {
            let stale = [
                ("homeserver.yaml", !for_synapse || applied::is_older(config, now)),
                ("nginx.conf", !for_proxy),
            ];
            unused.extend(stale.iter().filter(|it| it.1).map(|it| it.0.to_owned()));
        }
        in_use &= unused.is_empty();
    }
    output.emit(&Checked {
        valid: true,
        synapse_asked,
        in_use,
        running: now.is_some(),
        unused,
        unrouted,
    });
    Ok(Outcome::Done)
}

impl Report for Checked {
    fn text(&self, page: &mut String) -> fmt::Result {
        let Self { synapse_asked, in_use, running, unused, .. } = self;
        page.push_str(match (synapse_asked, in_use, running) {
            (false, _, _) => "our settings are good; Synapse is not installed, so it was not asked",
            (true, true, _) => "all settings are good and in use",
            (true, false, true) => "all settings are good; what runs does not use all of them yet",
            (true, false, false) => "all settings are good; `manage start` puts them to use",
        });
        if !unused.is_empty() {
            write!(page, ": {}\n`manage restart` takes them up", unused.join(", "))?;
        }
        Ok(())
    }

    fn id(&self) -> Option<&str> {
        Some("")
    }
}
