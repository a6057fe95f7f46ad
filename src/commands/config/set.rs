//! `config set`.

use std::{fmt, io::Read as _, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    checks::kind,
    commands::{Answered, Reply, offered},
    config::{
        self, Config,
        sections::server::Kind,
        sources::edit,
        values::{
            setting::{Setting, shown},
            source::Source,
        },
    },
    context::Context,
    data_dir::DataDir,
    dendrite,
    error::Failure,
    files,
    instance::{
        backup::{at, base},
        guard, lock,
        prepare::applied,
    },
    output::{self, Report},
    postgres::{self, embedded::history},
    secret::{MASK, Secret},
};

/// How long another command that changes the installation is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A setting such as `server.port`
    #[arg(add = offered::keys())]
    key: String,
    /// Its value; a secret comes from --file, from stdin or is asked for, and '' removes it
    #[arg(add = offered::values())]
    value: Option<String>,
    /// Read the value from a file
    #[arg(long, value_name = "FILE", conflicts_with = "value")]
    file: Option<PathBuf>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Set {
    key: &'static str,
    value: Value,
    dry_run: bool,
    changed: bool,
    /// Whether the running homeserver still has the old value.
    restart: bool,
    /// Whether something has to be installed for it first.
    install: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Set> {
    if ["services.", "profiles."].iter().any(|section| args.key.starts_with(section)) {
        let data = context.data()?;
        let file = data.settings();
        return Err(Failure::request(format!("`{}` is not set with a command", args.key))
            .hinted(format!("write it into `{}`; `config check` checks it", file.display()))
            .into());
    }
    let setting = config::find(&args.key)?;
    if setting.secret && args.value.as_ref().is_some_and(|value| !value.is_empty()) {
        return Err(Failure::request(format!(
            "`{}` is a secret, and arguments can be seen by others",
            setting.key
        ))
        .hinted(format!("`config set {} --file FILE`, or give it on stdin", setting.key))
        .into());
    }
    let text = match (args.value, &args.file) {
        (Some(value), _) => value,
        (None, Some(file)) => one_line(&files::read_input(file, files::PATIENCE)?)?,
        (None, None) if setting.secret => secret(setting)?,
        (None, None) => {
            let key = setting.key;
            return Err(Failure::request(format!("`{key}` needs a value"))
                .hinted(format!(
                    "`config set {key} VALUE` sets it; `config show {key}` explains what it can be"
                ))
                .into());
        }
    };
    if setting.key == "database.password" && text.is_empty() {
        let why = "`database.password` cannot be removed: the role of the database has it";
        return Err(Failure::request(why).hinted("give it another one").into());
    }
    let data = context.data()?;
    let flag = format!("{}={text}", setting.key);
    let value = edit::typed(setting, &text);
    // What is set may mend a file that could not be read with the old value.
    let mended = if setting.secret { None } else { edit::with(&data, setting, &value)? };
    let checked = match mended {
        // What does not fit is refused as what was typed, not as what would stand in the file.
        Some(file) if (setting.check)(&value).is_ok() => {
            Config::of_text(data.clone(), &file, &[flag], &context.environment)
        }
        _ => Config::load(data.clone(), &[flag], &context.environment),
    };
    let checked =
        checked.map_err(|error| error.typed(|key| (key == setting.key).then_some("given here")))?;
    if setting.key == "server.name" {
        refuse_other_name(&data, &checked)?;
    }
    let mut report = Set {
        key: setting.key,
        value: if setting.secret && !text.is_empty() { MASK.into() } else { value.clone() },
        dry_run: context.dry_run,
        changed: false,
        restart: false,
        install: false,
    };
    // Without the flag: what counts today.
    let now = Config::load(data.clone(), &[], &context.environment).ok();
    if let Some(now) = &now {
        guard::may_set(now, setting.key)?;
    }
    refuse_unfit(&data, &checked, now.as_ref(), setting.key).await?;
    let above = now.as_ref().map(|now| now.source(setting.key)).filter(|source| {
        matches!(source, Source::Environment(_) | Source::EnvFile(_) | Source::Profile(_))
    });
    if let Some(source) = &above {
        context.warn(format!(
            "the {source} counts more than what is set here, as long as it is there"
        ));
    }
    if let Some(config) = now.as_ref().filter(|_| is_costly(setting.key, &checked)) {
        base::is_possible(config)?;
        if !config.backup.point_in_time && config.data.is_installed() {
            context.warn(at::costs(&checked).await);
        }
    }
    if setting.key == "backup.point_in_time" && !checked.backup.point_in_time {
        let kept = history::folder(&data);
        if kept.exists() {
            let kept = kept.display();
            context.warn(format!(
                "what was kept until now stays in `{kept}`: remove that when it is of no more use"
            ));
        }
    }
    let has_effect = above.is_none();
    if context.dry_run {
        let kept = now.and_then(|now| now.values.0.get(setting.key).map(|(value, _)| shown(value)));
        report.changed = kept.unwrap_or_else(|| setting.default.to_owned()) != shown(&text.into());
        return Ok(Reply::done(report));
    }
    data.create()?;
    let deadline = Instant::now() + PATIENCE;
    let mut wait = |who: &str| context.say(format!("waiting for {who}"));
    let _lock = lock::wait(&data, "config set", deadline, &mut wait).await?;
    report.changed = if setting.secret {
        let file = data.secret(&setting.secret_file());
        let kept = files::read_if_exists(&file)?;
        if text.is_empty() {
            files::remove(&file)?;
            kept.is_some()
        } else {
            let changed = kept.as_deref() != Some(&text);
            Secret::new(text).write(&file)?;
            changed
        }
    } else {
        edit::set(&data, setting, &value)?
    };
    // The service that makes backups comes and goes with the schedule.
    let waits = !applied::is_of_backups(setting.key) || setting.key == "backup.schedule";
    report.restart = report.changed && has_effect && waits && context.supervisor().await?.is_some();
    report.install =
        report.changed && has_effect && data.is_installed() && is_installed_first(setting.key);
    Ok(Reply::done_if(report.changed, report))
}

/// Whether it keeps all that the database writes.
fn is_costly(key: &str, wanted: &Config) -> bool {
    key == "backup.point_in_time" && wanted.backup.point_in_time
}

/// Whether a value of it may need packages or files that only an install brings.
fn is_installed_first(key: &str) -> bool {
    [
        "synapse.version",
        "synapse.modules",
        "dendrite.binary",
        "web.client",
        "media.s3_bucket",
        "stack.profile",
    ]
    .contains(&key)
}

/// What the program that is the homeserver does not have, or could not be. Where it was so before, this may be what
/// mends it.
async fn refuse_unfit(
    data: &DataDir,
    wanted: &Config,
    now: Option<&Config>,
    key: &str,
) -> Result<(), Failure> {
    if key == "server.kind" && !wanted.is_joined() {
        kind::stays(data, wanted)?;
    }
    if !wanted.is_dendrite() {
        return Ok(());
    }
    if key == "dendrite.binary" && wanted.dendrite.binary.is_some() {
        dendrite::plan(wanted, postgres::used_by(data)?).await?;
    }
    if now.is_some_and(|now| kind::fits(now).is_ok()) { Ok(kind::fits(wanted)?) } else { Ok(()) }
}

/// The name is in every user id and event: it stays once there is a homeserver.
fn refuse_other_name(data: &DataDir, wanted: &Config) -> Result<(), Failure> {
    let Some(text) = files::read_if_exists(&Kind::installed(data).settings(data))? else {
        return Ok(());
    };
    let mut installed: Value = serde_yaml::from_str(&text).unwrap_or_default();
    if data.is_dendrite() {
        installed = installed["global"].take();
    }
    let new = wanted.server.name.to_string();
    match installed["server_name"].as_str() {
        Some(old) if old != new => Err(Failure::request(format!(
            "this homeserver is `{old}` and cannot become `{new}`: the name is in every user id and event"
        ))
        .hinted("a server of another name needs a data folder of its own: MATRIX_SYNAPSE_DATA_DIR")),
        _ => Ok(()),
    }
}

/// From a pipe, or asked for without an echo.
fn secret(setting: &Setting) -> Result<String, Failure> {
    if output::stdin_is_terminal() {
        return output::ask_secret(setting.key).map_err(|error| {
            Failure::environment(format!("the terminal cannot be read: {error}"))
        });
    }
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|_| Failure::request("stdin is not valid UTF-8"))?;
    one_line(&files::without_mark(text))
}

fn one_line(text: &str) -> Result<String, Failure> {
    let line = text.strip_suffix('\n').unwrap_or(text);
    if line.is_empty() { Err(Failure::request("the value is empty")) } else { Ok(line.to_owned()) }
}

impl Report for Set {
    fn text(&self, page: &mut String) -> fmt::Result {
        use fmt::Write as _;
        let word = match (self.dry_run, self.changed) {
            (true, true) => "would become",
            (false, true) => "is",
            (_, false) => "is already",
        };
        let value = shown(&self.value);
        let value = if value.is_empty() { "not set" } else { &value };
        writeln!(page, "{} {word} {value}", self.key)?;
        match (self.install, self.restart) {
            (true, _) if self.key == "synapse.version" => writeln!(
                page,
                "`manage upgrade` brings it, or `manage install` where none is installed"
            )?,
            (true, true) => writeln!(
                page,
                "`manage install` installs what it needs, and `manage restart` applies it then"
            )?,
            (true, false) => writeln!(page, "`manage install` installs what it needs")?,
            (false, true) => writeln!(page, "`manage restart` applies it")?,
            (false, false) => {}
        }
        Ok(())
    }

    fn id(&self) -> Option<&str> {
        Some("")
    }
}
