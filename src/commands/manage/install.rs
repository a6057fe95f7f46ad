//! `manage install`.

use std::{
    fmt::{self, Write as _},
    path::PathBuf,
};

use schemars::JsonSchema;
use serde::Serialize;

use super::{kept_elsewhere::settings, unended::unended, upgrade::Wanted};
use crate::{
    checks::folder,
    commands::{self, Answered, Reply, arguments::ReadyArg},
    config::{Config, exports},
    context::{Context, Own},
    error::Failure,
    instance::{
        backup,
        install::{self, Installed, Options, persist, restore},
        lifecycle::{start, stop},
        moving,
        upgrade::Way,
    },
    output::Report,
    process,
    synapse::version,
    targets::{Target, keep, kubernetes},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Start it afterwards and wait until it is ready
    #[arg(long)]
    start: bool,
    /// Who keeps the services from now on; without it, who has kept them, or this program itself
    #[arg(long, value_name = "TARGET")]
    target: Option<Keeping>,
    /// Make the program's environment anew, even if it is there
    #[arg(long)]
    force: bool,
    /// Do not let Synapse check the settings
    #[arg(long)]
    skip_validation: bool,
    /// Leave out what keeps the keys of encrypted rooms, now and later; `--set encryption.enabled=true` brings it
    #[arg(long)]
    without_encryption: bool,
    /// The part after the colon of every user id
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
    /// The port of the client API
    #[arg(long, value_name = "PORT")]
    port: Option<String>,
    /// Install this version of Synapse instead of the one with a locked set
    #[arg(long, value_name = "VERSION")]
    synapse_version: Option<String>,
    /// Install from this folder of wheels, without a network
    #[arg(long, value_name = "FOLDER")]
    offline: Option<PathBuf>,
    /// Restore the data and keys that an uninstall archived; the archive stays
    #[arg(long, value_name = "FOLDER")]
    restore: Option<PathBuf>,
    /// Move the archive instead of copying it
    #[arg(long = "move", requires = "restore")]
    moves: bool,
    /// Make new keys for a database whose keys are lost; other servers will refuse them
    #[arg(long)]
    fresh_keys: bool,
}

/// Who is to keep the services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Keeping {
    /// This program: `manage start` starts its own supervisor
    Native,
    /// systemd, which starts them when the machine starts
    Systemd,
    /// Docker Compose, in containers of an image that is built here
    Compose,
    /// Kubernetes, in pods of an image that its nodes can pull; it is always started
    Kubernetes,
}

impl Keeping {
    fn target(self) -> Option<Target> {
        match self {
            Self::Native => None,
            Self::Systemd => Some(Target::Systemd),
            Self::Compose => Some(Target::Compose),
            Self::Kubernetes => Some(Target::Kubernetes),
        }
    }
}

/// What is installed now.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Answer {
    installed: bool,
    dry_run: bool,
    /// What a dry run would do: clauses that go on from "would".
    #[serde(skip_serializing_if = "Option::is_none")]
    would: Option<String>,
    running: bool,
    url: String,
    server_name: String,
    data_dir: String,
    #[serde(flatten)]
    done: Installed,
    /// What one types next.
    next: Vec<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Answer> {
    let hint = "nothing half-made is in use; `manage install` again finishes it";
    unended(Box::pin(make(args, context)), "interrupted before all was installed", hint).await
}

async fn make(args: Args, context: &Context) -> Answered<Answer> {
    let Args { server_name, port, synapse_version, without_encryption, .. } = &args;
    let encryption = without_encryption.then(|| "false".to_owned());
    let typed = [
        ("server.name", "--server-name", server_name),
        ("server.port", "--port", port),
        ("synapse.version", "--synapse-version", synapse_version),
        ("encryption.enabled", "--without-encryption", &encryption),
    ];
    let own = |(key, word, value): (_, _, &Option<String>)| {
        Some(Own { key, word, value: value.clone()? })
    };
    let context = &context.with(typed.into_iter().filter_map(own));
    if let (Some(keeping), Some(owner)) = (args.target, keep::another(context.data()?.root())) {
        return Box::pin(for_another(&args, keeping.target(), &owner, context)).await;
    }
    // Settings are read from it.
    folder::data_folder(&context.data()?)?;
    backup::restore::require_whole(&context.data()?)?;
    moving::require_whole(&context.data()?)?;
    let options = Options {
        force: args.force,
        start: args.start,
        skip_validation: args.skip_validation,
        offline: args.offline.clone(),
        fresh_keys: args.fresh_keys,
        restore: args.restore.clone(),
        moves: args.moves,
        // What would be there.
        version: args.synapse_version.clone().filter(|_| context.dry_run),
    };
    if let Some(folder) = &options.restore
        && !restore::is_done(&context.data()?, folder)?
    {
        let wanted = context.config_from(folder)?;
        if context.dry_run {
            let done = install::plan(&wanted, &options).await?;
            return Ok(Reply::done(answer(context, &wanted, done).await?));
        }
        let progress = context.progress("bringing back what was archived");
        let mut on_wait = |who: &str| progress.now(format!("waiting for {who}"));
        install::bring_back(&wanted, &options, folder, &mut on_wait).await?;
    }
    let ports = match context.instance() {
        Some(name) if !context.data()?.is_installed() => {
            Own::of_instance(&context.config_now()?, name, false)?
        }
        _ => Vec::new(),
    };
    let context = &context.with(ports);
    let config = context.config()?;
    config.warnings.iter().for_each(|warning| context.warn(warning));
    let target = args.target.and_then(Keeping::target);
    if target.is_some() && config.is_dendrite() {
        return Err(Failure::request(
            "`--target` is not there with Dendrite: this program keeps its processes itself",
        )
        .hinted("`manage install` without it installs it on this machine; nothing was changed")
        .into());
    }
    if let Some(target) = target {
        // Nothing is made, and nothing stopped, for somebody who could not take it.
        keep::stays(&config.data, Some(target))?;
        keep::reachable(&settings(context)?, target).await?;
    }
    if context.dry_run && !matches!(target, Some(Target::Compose | Target::Kubernetes)) {
        let done = install::plan(config, &options).await?;
        return Ok(Reply::done(answer(context, config, done).await?));
    }
    // A version in the place of another is a matter of its own.
    let there = exports::version(&config.data).filter(|_| config.data.is_installed());
    let brought = match (&args.synapse_version, &there) {
        (Some(to), Some(there)) if to != there => {
            let wanted = Wanted {
                way: Way::On,
                to: Some(to.clone()),
                backup: true,
                offline: args.offline.clone(),
            };
            super::upgrade::go(context, wanted, ReadyArg::default()).await?;
            Some(format!("brought Synapse {to} in the place of {there}"))
        }
        _ => None,
    };
    if args.target == Some(Keeping::Native) {
        keep::stays(&config.data, None)?;
    }
    if target == Some(Target::Compose) {
        return Box::pin(contained(&args, context)).await;
    }
    if target == Some(Target::Kubernetes) || config.data.is_in_cluster() {
        return Box::pin(in_cluster(&args, context)).await;
    }
    if target.is_some() && !args.start {
        not_ours(context).await?;
    }
    let settings = settings(context)?;
    if let (Some(target), Err(_)) = (target, context.kept()) {
        // By what is written there the ports are known to be its own.
        keep::install(&settings, target, args.force).await?;
    }
    let progress = context.progress("installing");
    let mut done = install::install(config, &context.environment, &options, &mut |step| {
        progress.now(step);
    })
    .await?;
    drop(progress);
    if let Some(step) = brought {
        done.steps.insert(0, step);
        done.changed = true;
    }
    for warning in &done.warnings {
        context.warn(warning);
    }
    if let Some(target) = target {
        let mut stopped = false;
        if args.start && context.kept()?.is_none() {
            stopped = stop_here(config).await?;
        }
        let handed = keep::install(&settings, target, args.force).await;
        if or_here(context, stopped, handed).await? {
            done.steps.push(format!("had {} keep the services", target.word()));
            done.changed = true;
        }
    } else if args.target == Some(Keeping::Native) && keep::remove(&config.data).await? {
        done.steps.push("took the services back".to_owned());
        done.changed = true;
    }
    // The platform's orchestrator takes 2 for a failure and would not start what is installed.
    let moot = !done.changed && !args.force && !context.environment.is_orchestrator();
    if !args.start {
        return Ok(Reply::done_if(!moot, answer(context, config, done).await?));
    }
    let timeout = config.supervision.start_timeout.0;
    if let Some(kept) = context.kept()? {
        super::kept_elsewhere::start(context, &kept, &[], timeout, false, false).await?;
        return Ok(Reply::done(answer(context, config, done).await?));
    }
    super::start::go(context, start::Options::all(timeout, args.force)).await?;
    Ok(Reply::done(answer(context, config, done).await?))
}

/// Everything is in the image, and nothing is installed on this machine but what the containers work with.
async fn contained(args: &Args, context: &Context) -> Answered<Answer> {
    let config = context.config()?;
    context.would("build an image, and have Docker Compose keep the services")?;
    let settings = settings(context)?;
    let mut stopped = false;
    if args.start && context.kept()?.is_none() {
        stopped = stop_here(config).await?;
    } else {
        not_ours(context).await?;
    }
    let progress = context.progress("building the image");
    config.data.create()?;
    persist::keep(config)?;
    let handed = keep::install(&settings, Target::Compose, args.force).await;
    let mut changed = or_here(context, stopped, handed).await?;
    progress.now("installing");
    changed |= keep::lay(&config.data).await?;
    drop(progress);
    let none = || Failure::request("nobody keeps the services");
    handed_over(args.start, context, changed, changed, none).await
}

/// Stops what runs here, which somebody else is to keep; whether anything did.
async fn stop_here(config: &Config) -> Result<bool, Failure> {
    let options = stop::Options { timeout: config.supervision.stop_timeout.0, force: false };
    let stopped = stop::stop(&config.data, options, &mut |_| ()).await?;
    Ok(matches!(stopped, stop::Stopped::Now))
}

/// Where nobody else could be given what was stopped, it is started here again.
async fn or_here<T>(
    context: &Context,
    stopped: bool,
    handed: Result<T, Failure>,
) -> Result<T, Failure> {
    if handed.is_err() && stopped && context.kept()?.is_none() {
        let timeout = context.config()?.supervision.start_timeout.0;
        match Box::pin(super::start::go(context, start::Options::all(timeout, true))).await {
            Ok(_) => context.warn("the homeserver runs here, as before"),
            Err(failure) => context.warn(format!("the homeserver is stopped: {failure}")),
        }
    }
    handed
}

/// All runs in the cluster; this machine has the settings, and the secrets that were made for it.
async fn in_cluster(args: &Args, context: &Context) -> Answered<Answer> {
    let config = context.config()?;
    context.would("make what the cluster is to have, apply it and wait until all is ready")?;
    not_ours(context).await?;
    let settings = settings(context)?;
    let progress = context.progress("making keys and secrets");
    config.data.create()?;
    persist::keep(config)?;
    let changed = keep::install(&settings, Target::Kubernetes, args.force).await?;
    exports::write(config, &kubernetes::public_url(config), &version::wanted(config))?;
    drop(progress);
    let none = || Failure::request("nobody keeps the services");
    handed_over(true, context, changed, changed, none).await
}

/// What is answered where nothing was installed here but what keeps the services; started, where that is asked for. `anew`
/// says that what they are made from has changed, `none` what it is where nobody else keeps them.
async fn handed_over(
    start: bool,
    context: &Context,
    changed: bool,
    anew: bool,
    none: impl FnOnce() -> Failure,
) -> Answered<Answer> {
    let config = context.config()?;
    let done = Installed {
        changed,
        kind: config.server.kind,
        version: exports::version(&config.data).unwrap_or_else(|| version::wanted(config)),
        steps: Vec::new(),
        kept: Vec::new(),
        lock: None,
        warnings: Vec::new(),
    };
    if start {
        let kept = context.kept()?.ok_or_else(none)?;
        let timeout = config.supervision.start_timeout.0;
        super::kept_elsewhere::start(context, &kept, &[], timeout, false, anew).await?;
    }
    Ok(Reply::done_if(changed || start, answer(context, config, done).await?))
}

/// Root has the services of another account kept, and writes nothing else: files of root's would be in its way.
async fn for_another(
    args: &Args,
    target: Option<Target>,
    owner: &str,
    context: &Context,
) -> Answered<Answer> {
    let config = context.config()?;
    if !config.data.is_installed() {
        let why = format!(
            "`{}` belongs to `{owner}`, and nothing is installed there",
            config.data.root().display()
        );
        return Err(Failure::request(why)
            .hinted(format!("`manage install` as `{owner}`, then this command as root"))
            .into());
    }
    context.would("hand over the services")?;
    let changed = if let Some(target) = target {
        not_ours(context).await?;
        let settings = settings(context)?;
        keep::install(&settings, target, args.force).await?
    } else {
        keep::remove(&config.data).await?
    };
    let none = || {
        Failure::request("root does not keep the services of another account")
            .hinted(format!("`manage start` as `{owner}` starts them"))
    };
    handed_over(args.start, context, changed, false, none).await
}

/// Two would keep the same services.
async fn not_ours(context: &Context) -> Result<(), Failure> {
    if context.kept().is_ok_and(|kept| kept.is_none()) && context.supervisor().await?.is_some() {
        let failure =
            Failure::request("this program's own supervisor keeps the services, and they run");
        return Err(failure.hinted(
            "`manage stop` ends it; with `--start` it is stopped and all is started by the other",
        ));
    }
    Ok(())
}

async fn answer(context: &Context, config: &Config, done: Installed) -> Result<Answer, Failure> {
    let now = context.supervisor().await?;
    let running = now.as_ref().is_some_and(|now| now.ready);
    // A proxy that is only to come answers nobody yet.
    let is_new = now.is_some_and(|now| now.profile != config.profile.name);
    let url = if config.data.is_in_cluster() {
        kubernetes::public_url(config)
    } else if running && is_new {
        config.local_url()
    } else {
        config.public_url()
    };
    // Only Vrooli puts a link on PATH.
    let launcher =
        || Some(context.environment.resource_dir()?.join("cli.sh").display().to_string());
    let linked = process::find(commands::NAME).map(|_| commands::NAME.to_owned());
    let program = linked.or_else(launcher).unwrap_or_else(|| commands::NAME.to_owned());
    let program = context.typed(&program);
    let next: &[&str] = if running && config.data.is_in_cluster() {
        &["status", "logs synapse"]
    } else if running {
        &[
            "status --verbose",
            "content create-room Alerts --alias alerts",
            "content send-message '#alerts' 'hello'",
        ]
    } else {
        &["manage start", "status", "config show"]
    };
    Ok(Answer {
        installed: config.data.is_installed(),
        dry_run: context.dry_run,
        would: context.dry_run.then(|| done.would()),
        running,
        url,
        server_name: config.server.name.to_string(),
        data_dir: config.data.root().display().to_string(),
        done,
        next: next.iter().map(|words| format!("{program} {words}")).collect(),
    })
}

impl Report for Answer {
    fn text(&self, page: &mut String) -> fmt::Result {
        if self.dry_run {
            for step in &self.done.steps {
                writeln!(page, "would {step}")?;
            }
            if self.done.steps.is_empty() {
                page.push_str("nothing would have to be done");
            }
            return Ok(());
        }
        let word = if self.done.changed { "installed" } else { "already installed" };
        let state = if self.running { "running" } else { "not started" };
        let program = self.done.kind.name();
        writeln!(page, "{word}: {program} {} in {}", self.done.version, self.data_dir)?;
        writeln!(page, "{state}: {} ({})", self.url, self.server_name)?;
        for file in ["settings.yaml", "secrets"] {
            let there = self.done.kept.iter().filter(|kept| kept.to == file);
            let words: Vec<String> =
                there.map(|kept| format!("{} ({})", kept.key, kept.from)).collect();
            if !words.is_empty() {
                writeln!(page, "written to {file}: {}", words.join(", "))?;
            }
        }
        if let Some(lock) = &self.done.lock {
            write!(page, "{lock}")?;
        }
        if !self.done.changed && self.running {
            return Ok(());
        }
        writeln!(page, "\nNext:")?;
        for words in &self.next {
            writeln!(page, "  {words}")?;
        }
        Ok(())
    }

    fn details(&self, page: &mut String) -> fmt::Result {
        if self.dry_run || self.done.steps.is_empty() {
            return Ok(());
        }
        writeln!(page, "\nDone:")?;
        self.done.steps.iter().try_for_each(|step| writeln!(page, "  {step}"))
    }

    fn id(&self) -> Option<&str> {
        Some(&self.url)
    }
}
