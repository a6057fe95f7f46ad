//! What a command works with: it opens doors, each when it is first needed.

use std::{
    cell::OnceCell,
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::{
    config::{self, Config, sources::environment::Environment},
    data_dir::DataDir,
    error::{Explain as _, Failure},
    files,
    instance::{guard, install::sibling},
    matrix::{self, client::Client},
    output::{Progress, Talk, View},
    reply::{Planned, Stop},
    secret::Secret,
    supervisor::{control, kept::Kept, record::Snapshot},
};

/// The flags that every command has and that are not about output.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    pub(crate) data_dir: Option<PathBuf>,
    /// The name of one of several homeservers.
    pub(crate) instance: Option<String>,
    pub(crate) set: Vec<String>,
    pub(crate) dry_run: bool,
}

/// A setting that was typed as a flag of a command's own, such as `--port`.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    pub(crate) key: &'static str,
    pub(crate) word: &'static str,
    pub(crate) value: String,
}

impl Own {
    /// What makes a named homeserver another one than those beside it, as far as nothing else does; `came` where its
    /// settings are from elsewhere.
    pub(crate) fn of_instance(
        config: &Config,
        name: &str,
        came: bool,
    ) -> Result<Vec<Self>, Failure> {
        let settings = sibling::settings(config, name, came).ok_or_else(|| {
            Failure::environment("there are no free ports left for another homeserver")
                .hinted("name them with `--set server.port=…` and so on")
        })?;
        let own = |(key, value)| Self { key, word: "--instance", value };
        Ok(settings.into_iter().map(own).collect())
    }
}

/// The setting that `--profile` is.
pub(crate) fn profile(name: Option<&str>) -> Vec<Own> {
    let own = |name: &str| Own { key: "stack.profile", word: "--profile", value: name.to_owned() };
    name.map(own).into_iter().collect()
}

/// A hint whose commands, `` `manage start` ``, have the flag that names the homeserver; `words` are those
/// that a command begins with.
fn addressed(mut hint: String, flag: &str, words: &[&str]) -> String {
    if flag.is_empty() {
        return hint;
    }
    for group in words {
        for end in [' ', '`'] {
            hint = hint.replace(&format!("`{group}{end}"), &format!("`{flag} {group}{end}"));
        }
    }
    hint
}

#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) environment: Environment,
    pub(crate) dry_run: bool,
    pub(crate) talk: Arc<Talk>,
    flags: Flags,
    /// Settings that the command has flags of its own for.
    own: Vec<Own>,
    config: OnceCell<Config>,
}

impl Context {
    pub(crate) fn new(flags: Flags, environment: Environment, talk: Arc<Talk>) -> Self {
        let dry_run = flags.dry_run || environment.dry_run();
        Self { environment, dry_run, talk, flags, own: Vec::new(), config: OnceCell::new() }
    }

    /// The same with settings that a command has flags of its own for: whoever asks this one for the
    /// settings gets them with these, whatever was read before.
    #[must_use]
    pub(crate) fn with(&self, own: impl IntoIterator<Item = Own>) -> Self {
        let Self { environment, dry_run, talk, flags, own: before, config: _ } = self;
        Self {
            environment: environment.clone(),
            dry_run: *dry_run,
            talk: Arc::clone(talk),
            flags: flags.clone(),
            own: before.iter().cloned().chain(own).collect(),
            config: OnceCell::new(),
        }
    }

    /// The same for the homeserver in another data folder; what was set for this one counts there as well.
    #[must_use]
    pub(crate) fn elsewhere(&self, data_dir: PathBuf, own: impl IntoIterator<Item = Own>) -> Self {
        let mut other = self.with(own);
        other.flags.data_dir = Some(data_dir);
        other.flags.instance = None;
        other
    }

    /// With `--dry-run` a verb ends here, and what it would do now is its answer: a clause that goes on
    /// from "would".
    pub(crate) fn would(&self, act: impl fmt::Display) -> Result<(), Stop> {
        if self.dry_run { Err(Stop::Planned(Planned::new(act))) } else { Ok(()) }
    }

    /// Something the person should know although it worked.
    pub(crate) fn warn(&self, sentence: impl Into<String>) {
        self.talk.warn(sentence);
    }

    /// What is going on, for a person.
    pub(crate) fn say(&self, sentence: impl fmt::Display) {
        self.talk.say(sentence);
    }

    /// A line of progress for long work, until it is dropped.
    pub(crate) fn progress(&self, doing: impl Into<String>) -> Progress {
        self.talk.progress(doing)
    }

    /// `*****`, or the secret where the person asked to see it.
    pub(crate) fn masked(&self, secret: &Secret) -> String {
        self.talk.masked(secret)
    }

    /// How answers are wanted; only what is asked of the server may depend on it.
    pub(crate) fn view(&self) -> View {
        self.talk.view
    }

    /// The data folder; nothing in it is read.
    pub(crate) fn data(&self) -> Result<DataDir, Failure> {
        let Flags { data_dir, instance, .. } = &self.flags;
        Ok(config::data_dir(data_dir.clone(), instance.as_deref(), &self.environment)?)
    }

    /// The name that was given to this homeserver.
    pub(crate) fn instance(&self) -> Option<&str> {
        self.flags.instance.as_deref()
    }

    /// All settings, read once.
    pub(crate) fn config(&self) -> Result<&Config, Failure> {
        if let Some(config) = self.config.get() {
            return Ok(config);
        }
        let config = self.config_now()?;
        Ok(self.config.get_or_init(|| config))
    }

    /// All settings as they are now, for what runs on while others change them.
    pub(crate) fn config_now(&self) -> Result<Config, Failure> {
        Ok(self.load(self.data()?)?)
    }

    /// What the settings will be when those of another folder are brought back to the data folder.
    pub(crate) fn config_from(&self, folder: &Path) -> Result<Config, Failure> {
        let mut config = self.load(DataDir::new(folder.to_owned()))?;
        config.data = self.data()?;
        Ok(config)
    }

    /// What the settings will be with this text as those of the data folder.
    pub(crate) fn config_of(&self, text: &str) -> Result<Config, Failure> {
        let data = self.data()?;
        Ok(self.load_with(|flags| Config::of_text(data, text, flags, &self.environment))?)
    }

    /// The flag that names this homeserver among several, as it was typed; empty where none was.
    pub(crate) fn flag(&self) -> String {
        let Flags { data_dir, instance, .. } = &self.flags;
        let folder = data_dir.as_ref().map(|folder| {
            let folder = folder.display().to_string();
            // Commands are copied into a shell.
            format!("--data-dir {}", shlex::try_quote(&folder).unwrap_or(folder.as_str().into()))
        });
        let instance = instance.as_ref().map(|name| format!("--instance {name}"));
        folder.into_iter().chain(instance).collect::<Vec<_>>().join(" ")
    }

    /// The words that make another run of this program work on the same homeserver with the same settings.
    pub(crate) fn same(&self) -> Result<Vec<OsString>, Failure> {
        let mut words = vec!["--data-dir".into(), self.data()?.root().into()];
        for set in &self.flags.set {
            words.extend(["--set".into(), set.into()]);
        }
        Ok(words)
    }

    /// A program as it has to be typed for this homeserver and no other.
    pub(crate) fn typed(&self, program: &str) -> String {
        format!("{program} {}", self.flag()).trim_end().to_owned()
    }

    /// What is said of a failure here: commands that it names are about this homeserver and no other,
    /// and a server on a full disk does not say why it fails.
    pub(crate) fn explained(&self, mut failure: Failure, words: &[&str]) -> Failure {
        let flag = self.flag();
        failure.hint = failure.hint.map(|hint| addressed(hint, &flag, words));
        let is_away = |error: &matrix::Error| {
            matches!(error, matrix::Error::Unreachable { .. } | matrix::Error::Down { .. })
        };
        let away = failure.error.downcast_ref().is_some_and(is_away);
        // As an uninstall leaves it that keeps the data.
        if away && let Some(Err(none)) = self.data().ok().as_ref().map(guard::installed) {
            failure.hint = none.hint().map(|hint| addressed(hint, &flag, words));
        }
        let servers = failure.error.downcast_ref().is_some_and(matrix::Error::is_servers_fault);
        let space = servers.then(|| files::has_space(self.data().ok()?.root()).err()).flatten();
        match space {
            Some(full @ files::Error::Full { .. }) => failure.because(full),
            _ => failure,
        }
    }

    fn load(&self, data: DataDir) -> Result<Config, config::Error> {
        self.load_with(|flags| Config::load(data, flags, &self.environment))
    }

    fn load_with(
        &self,
        load: impl FnOnce(&[String]) -> Result<Config, config::Error>,
    ) -> Result<Config, config::Error> {
        let own = &self.own;
        let own_flags = own.iter().map(|Own { key, value, .. }| format!("{key}={value}"));
        let flags: Vec<String> = self.flags.set.iter().cloned().chain(own_flags).collect();
        let word = |key: &str| Some(own.iter().find(|own| own.key == key)?.word);
        load(&flags).map_err(|error| error.typed(word))
    }

    /// How the processes are, from the supervisor itself; none if there is no supervisor.
    pub(crate) async fn supervisor(&self) -> Result<Option<Snapshot>, Failure> {
        let data = self.data()?;
        // What may not be looked at is not the same as nothing.
        files::exists(&data.run())?;
        Ok(control::status(&data).await?)
    }

    /// Who keeps the services in our place; none where we do.
    pub(crate) fn kept(&self) -> Result<Option<Kept>, Failure> {
        Ok(Kept::read(&self.data()?)?)
    }

    /// The operator's client; only its session file is read.
    pub(crate) fn operator(&self, timeout: Duration) -> Result<Client, Failure> {
        let data = self.data()?;
        let is_joined = || self.config().is_ok_and(Config::is_joined);
        let operator = matrix::client::operator(&data, timeout);
        operator.map(|client| client.seen(&self.talk)).map_err(|error| match error {
            matrix::Error::NoSession(_) if is_joined() => guard::Error::IsJoined.into(),
            matrix::Error::NoSession(_) if data.is_in_cluster() => {
                guard::here(&data).err().unwrap_or_else(|| error.into())
            }
            matrix::Error::NoSession(_) => {
                guard::installed(&data).err().map_or_else(|| error.into(), Into::into)
            }
            error => error.into(),
        })
    }

    /// The client of whoever a command acts as: a user of this server, or the operator.
    pub(crate) async fn client(
        &self,
        acting: Option<&str>,
        timeout: Duration,
    ) -> Result<Client, Failure> {
        let operator = self.operator(timeout)?;
        let Some(name) = acting else { return Ok(operator) };
        let user = matrix::names::user(name, operator.server_name())?;
        let client = matrix::operator::act_as(&self.data()?, &operator, &user, timeout).await?;
        Ok(client.seen(&self.talk))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_of_a_command_counts_whatever_was_read_before() {
        let folder = tempfile::tempdir().unwrap();
        let flags = Flags { data_dir: Some(folder.path().to_owned()), ..Flags::default() };
        let talk = Arc::new(Talk::default());
        let context = Context::new(flags, Environment::default(), talk);
        assert_eq!(context.config().unwrap().profile.name, "core");
        let with = context.with(profile(Some("scale")));
        assert_eq!(with.config().unwrap().profile.name, "scale");
        let more = Own { key: "server.port", word: "--port", value: "8123".into() };
        let with = with.with([more]);
        let config = with.config().unwrap();
        assert_eq!((config.profile.name.as_str(), config.server.port.0), ("scale", 8123));
        assert_eq!(context.config().unwrap().profile.name, "core");
    }

    #[test]
    fn a_command_in_a_hint_is_about_the_homeserver_that_was_named() {
        let hint = "`manage start` starts it; `status` shows how it is; `manage` is no command";
        let words = ["manage", "status"];
        assert_eq!(addressed(hint.into(), "", &words), hint);
        let hint = "`manage start` starts it; `status` shows how it is";
        assert_eq!(
            addressed(hint.into(), "--instance b", &words),
            "`--instance b manage start` starts it; `--instance b status` shows how it is"
        );
    }
}
