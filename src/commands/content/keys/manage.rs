//! `content keys backup`, `restore`, `export` and `import`.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Sending, written::free},
    },
    context::Context,
    crypto::{Answer, Request},
    error::Failure,
    files::{self, Growing},
    matrix::sealed,
    output::Sentence,
    secret::{MASK, Secret},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to do: bring the keys to the account's backup at the homeserver or back from there, or write them into a file
    /// or take them from one, in the format of clients
    #[arg(value_name = "ACTION")]
    action: Action,
    /// The file to export to or import from
    #[arg(value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// With `export` and `import`: the file with the passphrase that the keys are encrypted with, in its first line
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    passphrase_file: Option<PathBuf>,
    /// With `restore`: the file with the account's recovery key or passphrase, where its backup was made by another program
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    recovery_key_file: Option<PathBuf>,
    /// With `export`: replace what is there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    sending: Sending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    Backup,
    Restore,
    Export,
    Import,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Keys {
    action: Action,
    user_id: String,
    /// How many are in the backup or in the file.
    keys: u64,
    /// How many of them were not here before.
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<u64>,
    /// The version of the backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// What opens the backup in a client; masked, unless secrets are to be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_key: Option<String>,
    /// Whether the account's device is signed by its owner now.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Keys> {
    let Args { action, file, passphrase_file, recovery_key_file, force, sending } = args;
    let takes_file = matches!(action, Action::Export | Action::Import);
    let word = format!("{action:?}").to_lowercase();
    if !takes_file && (file.is_some() || passphrase_file.is_some()) {
        let what = format!("`content keys {word}` takes no file and no passphrase");
        return Err(Failure::request(what)
            .hinted(
                "`content keys export FILE` writes a file, `content keys import FILE` reads one",
            )
            .into());
    }
    if action != Action::Restore && recovery_key_file.is_some() {
        let what = format!("`content keys {word}` takes no recovery key");
        return Err(Failure::request(what).hinted("`content keys restore` takes one").into());
    }
    if action != Action::Export && force {
        let what = format!("`content keys {word}` replaces no file");
        return Err(Failure::request(what).hinted("leave `--force` out").into());
    }
    let named = || {
        let missing = |what: &str| {
            Failure::request(format!("`content keys {word}` needs {what}")).hinted(format!(
                "type `content keys {word} FILE --passphrase-file FILE`; the passphrase is the first line of its file"
            ))
        };
        let file = file.as_deref().ok_or_else(|| missing("a file"))?;
        let passphrase = passphrase_file.as_deref().ok_or_else(|| missing("a passphrase"))?;
        Ok::<_, Failure>((file, first_line(passphrase, "passphrase")?))
    };
    let request = match action {
        Action::Backup => Request::BackUp,
        Action::Restore => {
            let key = recovery_key_file.as_deref().map(|path| first_line(path, "recovery key"));
            let recovery_key = key.transpose()?.map(|key| key.expose().to_owned());
            Request::Restore { recovery_key }
        }
        Action::Export => {
            let (file, passphrase) = named()?;
            free(file, force, "`content keys export FILE`")?;
            Request::Export { passphrase: passphrase.expose().to_owned() }
        }
        Action::Import => {
            let (file, passphrase) = named()?;
            let text = files::read_input(file, sending.timeout())?;
            Request::Import { text, passphrase: passphrase.expose().to_owned() }
        }
    };
    let client = sending.client(context).await?;
    let user_id = client.user_id().to_string();
    context.would(format_args!("{word} the keys of {user_id}"))?;
    let keys = |keys| Keys {
        action,
        user_id: user_id.clone(),
        keys,
        new: None,
        version: None,
        recovery_key: None,
        signed: None,
        file: file.clone(),
    };
    // A passphrase takes seconds to be hashed.
    let progress = context.progress(format!("{word}: the keys of {user_id}"));
    let answer = sealed::keys(&client, request).await;
    drop(progress);
    let kept = match answer? {
        Answer::Backup(backup) => {
            let recovery_key = backup.recovery_key.map(|key| context.masked(&Secret::new(key)));
            Keys { version: Some(backup.version), recovery_key, ..keys(backup.keys) }
        }
        Answer::Imported(imported) => {
            let signed = (action == Action::Restore).then_some(imported.signed);
            Keys { new: Some(imported.new), signed, ..keys(imported.found) }
        }
        Answer::Exported { text, keys: count } => {
            if let Some(file) = &file {
                let mut kept = Growing::beside(file, files::PRIVATE)?;
                kept.write(text.as_bytes())?;
                if force { kept.finish()? } else { kept.finish_new()? }
            }
            keys(count)
        }
        _ => return Err(Failure::from(sealed::unfitting(None)).into()),
    };
    Ok(Reply::done(kept))
}

/// A secret in the first line of a file, where people may put spaces around it.
fn first_line(path: &Path, what: &str) -> Result<Secret, Failure> {
    let text = files::read_input(path, files::PATIENCE)?;
    let line = text.lines().next().unwrap_or_default();
    if line.trim().is_empty() {
        let message = format!("`{}` has no {what} in its first line", path.display());
        return Err(Failure::request(message).hinted("put it there, and nothing before it"));
    }
    Ok(Secret::new(line))
}

impl Sentence for Keys {
    fn sentence(&self) -> String {
        let Self { user_id, keys, new, version, recovery_key, signed, file, .. } = self;
        let file = file.as_deref().map(Path::display);
        let many =
            |count: u64| if count == 1 { "1 key".to_owned() } else { format!("{count} keys") };
        let keys = many(*keys);
        match (self.action, file) {
            (Action::Export, Some(file)) => format!("{file} has {keys} of {user_id}"),
            (Action::Import, Some(file)) => {
                format!("{file} has {keys}, {} new to {user_id}", new.unwrap_or_default())
            }
            (Action::Restore, _) => {
                let signed = if *signed == Some(false) {
                    "\nits device is not signed: the account's identity was made by another program, whose recovery key \
                     `--recovery-key-file` takes"
                } else {
                    ""
                };
                let new = new.unwrap_or_default();
                format!("the backup of {user_id} has {keys}, {new} new here{signed}")
            }
            _ => {
                let version = version.as_deref().unwrap_or_default();
                let mut text = format!("the backup of {user_id} (version {version}) has {keys}");
                if let Some(key) = recovery_key {
                    let hint = if key == MASK { " (`--show-secrets` shows it)" } else { "" };
                    text += &format!("\nrecovery key: {key}{hint}");
                }
                text
            }
        }
    }
}
