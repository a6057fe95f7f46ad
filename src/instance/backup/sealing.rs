//! Whom a backup is encrypted for, and what one is opened with: as it was typed, else as the settings say.

use std::path::{Path, PathBuf};

use crate::{
    age::{self, Identity, Keys, Passphrase, Recipient, To},
    checks::backups,
    config::Config,
    error::Failure,
};

/// Whom for, as it was typed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sealing {
    pub(crate) recipients: Vec<String>,
    pub(crate) recipients_file: Option<PathBuf>,
    pub(crate) passphrase_file: Option<PathBuf>,
}

impl Sealing {
    /// Whom a new backup is for; none where it is not encrypted.
    pub(crate) fn to(&self, config: &Config) -> Result<Option<To>, Failure> {
        let mut recipients = parsed(self.recipients.iter().map(String::as_str))?;
        if let Some(path) = &self.recipients_file {
            recipients.extend(Recipient::read(path)?);
        }
        if !recipients.is_empty() {
            return Ok(Some(of(recipients)));
        }
        if let Some(path) = &self.passphrase_file {
            return Ok(Some(To::Passphrase(Passphrase::read(path)?)));
        }
        let set = &config.backup;
        match (&set.recipients[..], &set.passphrase_file) {
            ([], None) => Ok(None),
            ([], Some(path)) => Ok(Some(To::Passphrase(Passphrase::read(path)?))),
            (keys, _) => {
                backups::one_way(set)?;
                Ok(Some(of(parsed(keys.iter().map(|it| it.0.as_str()))?)))
            }
        }
    }
}

fn parsed<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Vec<Recipient>, age::Error> {
    texts.map(Recipient::parse).collect()
}

fn of(mut recipients: Vec<Recipient>) -> To {
    recipients.sort();
    recipients.dedup();
    To::Recipients(recipients)
}

/// What an encrypted backup is opened with: the files that were named, else those that the settings name.
pub(crate) fn keys(
    config: Option<&Config>,
    identities: &[PathBuf],
    passphrase_file: Option<&Path>,
) -> Result<Keys, Failure> {
    let is_named = !identities.is_empty() || passphrase_file.is_some();
    let set = config.map(|config| &config.backup).filter(|_| !is_named);
    let (set_identity, set_passphrase) = set
        .map_or((None, None), |set| (set.identity_file.as_deref(), set.passphrase_file.as_deref()));
    let mut keys = Keys::default();
    for path in identities.iter().map(PathBuf::as_path).chain(set_identity) {
        keys.identities.extend(Identity::read(path)?);
    }
    if let Some(path) = passphrase_file.or(set_passphrase) {
        keys.passphrase = Some(Passphrase::read(path)?);
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::sources::environment::Environment, data_dir::DataDir, files};

    fn config(flags: &[String]) -> Config {
        Config::load(DataDir::new("/nowhere".into()), flags, &Environment::default()).unwrap()
    }

    #[test]
    fn what_was_typed_counts_more_than_the_settings() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (Identity::generate(), Identity::generate());
        let (public, other) = (one.recipient().to_string(), two.recipient().to_string());
        let file = folder.path().join("p");
        files::write_atomically(&file, b"correct horse\n", files::PRIVATE).unwrap();
        let plain = config(&[]);
        let set = config(&[format!("backup.recipients={public}")]);
        let nothing = Sealing::default();
        assert!(nothing.to(&plain).unwrap().is_none());
        let to = |sealing: &Sealing, config| match sealing.to(config).unwrap().unwrap() {
            To::Recipients(all) => all.iter().map(ToString::to_string).collect::<Vec<_>>(),
            To::Passphrase(passphrase) => vec![passphrase.expose().to_owned()],
        };
        assert_eq!(to(&nothing, &set), std::slice::from_ref(&public));
        let twice = vec![other.clone(), other.clone()];
        let typed = Sealing { recipients: twice, ..Sealing::default() };
        assert_eq!(to(&typed, &set), [other]);
        let typed = Sealing { passphrase_file: Some(file.clone()), ..Sealing::default() };
        assert_eq!(to(&typed, &set), ["correct horse"]);
        let both = [
            format!("backup.recipients={public}"),
            format!("backup.passphrase_file={}", file.display()),
        ];
        assert!(nothing.to(&config(&both)).is_err());
        let known = keys(Some(&config(&both[1..])), &[], None).unwrap();
        assert_eq!(known.passphrase.unwrap().expose(), "correct horse");
    }
}
