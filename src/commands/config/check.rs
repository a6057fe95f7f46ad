//! `config check`.

use std::fmt::{self, Write as _};

use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    checks::{self, Flow, Subject},
    commands::{Answered, Reply},
    config::{Config, exports},
    context::Context,
    error::Failure,
    instance::prepare::applied,
    output::Report,
    proxy, python, render,
    services::{outline, pid},
    supervisor::record::Snapshot,
    synapse::version,
};

#[derive(clap::Args)]
pub(crate) struct Args {}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Checked {
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
    /// The services that the settings ask for and that do not run yet, and those that run without.
    services: Vec<String>,
    /// What is asked for and not installed: `Synapse 1.163.2`.
    missing: Vec<String>,
}

pub(crate) async fn run(_: Args, context: &Context) -> Answered<Checked> {
    let config = context.config()?;
    config.warnings.iter().for_each(|warning| context.warn(warning));
    let packages = version::packages(config, &version::kept(config))?;
    let subject = Subject::new(config, Flow::ConfigCheck, Instant::now());
    checks::pass(&subject, &mut |warning| context.warn(warning)).await?;
    let wanted = render::render(config)?;
    let synapse_asked = render::can_judge(config);
    let (mut for_synapse, mut for_proxy, mut unrouted) = (false, false, Vec::new());
    if synapse_asked {
        for_synapse = render::is_current(config, &wanted)?;
        for_proxy = proxy::is_current(config, &wanted.homeserver).await?;
        unrouted = proxy::unrouted(config, &wanted.homeserver).await?;
    }
    if !unrouted.is_empty() {
        context.warn(format!(
            "the main process answers requests that workers could, because no route is known for them: {}",
            unrouted.join(" ")
        ));
    }
    let now = context.supervisor().await?;
    let (mut unused, mut services) = (Vec::new(), Vec::new());
    let mut in_use = for_synapse && for_proxy;
    if let Some(now) = &now {
        unused = applied::changed(config, now)?;
        if now.profile != config.profile.name {
            unused.push("stack.profile".to_owned());
        }
        if unused.is_empty() && synapse_asked {
            let stale = [
                (
                    config.server.kind.settings_name(),
                    !for_synapse || applied::is_older(config, now),
                ),
                ("nginx.conf", !for_proxy),
            ];
            unused.extend(stale.iter().filter(|it| it.1).map(|it| it.0.to_owned()));
        }
        let runs = pid(now).and_then(exports::running);
        if runs.is_some_and(|runs| exports::version(&config.data).is_some_and(|it| it != runs)) {
            unused.push("synapse.version".to_owned());
        }
        services = differing(config, now)?;
        in_use &= unused.is_empty() && services.is_empty();
    }
    let mut missing = Vec::new();
    if synapse_asked && !config.is_dendrite() {
        let (wanted, installed) = (version::wanted(config), exports::version(&config.data));
        if installed.is_some_and(|installed| installed != wanted) {
            missing.push(format!("Synapse {wanted}"));
            in_use = false;
        }
        if config.synapse.modules.is_some() {
            let log = config.data.logs().join("install.log");
            let plan = python::plan(&config.data.environments(), &log, packages, None).await?;
            if !plan.is_done() {
                missing.push("the packages of `synapse.modules`".to_owned());
                in_use = false;
            }
        }
    }
    Ok(Reply::done(Checked {
        valid: true,
        synapse_asked,
        in_use,
        running: now.is_some(),
        unused,
        unrouted,
        services,
        missing,
    }))
}

/// Services that are only in the settings, or only run.
fn differing(config: &Config, now: &Snapshot) -> Result<Vec<String>, Failure> {
    if now.profile != config.profile.name {
        return Ok(Vec::new());
    }
    let wanted = outline(config)?;
    let is_wanted = |name: &&String| wanted.iter().any(|service| service.name == **name);
    // One that only starts others is there when it is called.
    let missing = wanted.iter().filter(|it| it.starter.is_none() && !now.order.contains(&it.name));
    let missing = missing.map(|service| service.name.clone());
    Ok(missing.chain(now.order.iter().filter(|name| !is_wanted(name)).cloned()).collect())
}

impl Report for Checked {
    fn text(&self, page: &mut String) -> fmt::Result {
        let Self { synapse_asked, in_use, running, unused, services, missing, .. } = self;
        page.push_str(match (synapse_asked, in_use, running) {
            (false, _, _) => {
                "the settings are valid; Synapse is not installed, so it did not check them"
            }
            (true, true, _) => "all settings are valid and applied",
            (true, false, true) => "all settings are valid; not all of them are applied yet",
            (true, false, false) => "all settings are valid; `manage start` applies them",
        });
        if !unused.is_empty() {
            write!(page, ": {}\n`manage restart` applies them", unused.join(", "))?;
        }
        if !services.is_empty() {
            let names = services.join(", ");
            write!(page, "\n`manage start` starts or stops these services: {names}")?;
        }
        if !missing.is_empty() {
            let (synapse, others): (Vec<&String>, Vec<_>) =
                missing.iter().partition(|it| it.starts_with("Synapse "));
            for version in synapse {
                write!(page, "\n`manage upgrade` brings {version}")?;
            }
            for other in others {
                write!(page, "\n`manage install` installs {other}")?;
            }
        }
        Ok(())
    }

    fn id(&self) -> Option<&str> {
        Some("")
    }
}
