//! `bridges/NAME/`: read, made whole, marked as leaving, taken away. Every file in it has mode 0600.

use std::{fs, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Bridge, Error, Kind, Made, REGISTRATION, Registration};
use crate::{data_dir::DataDir, files, secret::Secret};

const NOTE: &str = "bridge.json";
const PING: &str = "ping.json";
pub(crate) const PASSWORD: &str = "database_password";
/// It is being removed: Synapse is not told of it any more.
const LEAVING: &str = "leaving";

/// A folder of a bridge, whatever is in it.
#[derive(Debug)]
pub(crate) struct Found {
    name: String,
    /// What is noted of it.
    pub(crate) bridge: Result<Bridge, Error>,
    pub(crate) registration: Result<Registration, Error>,
    pub(crate) leaving: bool,
}

impl Found {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn registration(&self) -> Option<(&str, &Registration)> {
        Some((&self.name, self.registration.as_ref().ok()?))
    }

    /// Whether the port is one of its own, running or not.
    pub(crate) fn has(&self, port: u16) -> bool {
        self.bridge.as_ref().is_ok_and(|bridge| bridge.ports().any(|own| own == port))
    }

    /// One that can run: both of its files are there and good.
    pub(crate) fn whole(&self) -> Option<(&Bridge, &Registration)> {
        let whole = self.bridge.as_ref().ok().zip(self.registration.as_ref().ok());
        whole.filter(|_| !self.leaving)
    }

    /// What is wrong with it, as a sentence.
    pub(crate) fn flaw(&self) -> Option<String> {
        let error = self.registration.as_ref().err().or(self.bridge.as_ref().err())?;
        let mut why = error.to_string();
        if let Some(source) = std::error::Error::source(error) {
            why = format!("{why}: {source}");
        }
        Some(format!("the bridge `{}` is left out: {why}", self.name))
    }
}

/// Where the last question went, and what came back.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Ping {
    pub(crate) at: String,
    pub(crate) ok: bool,
    /// How long it took to answer, in milliseconds.
    pub(crate) milliseconds: Option<u64>,
    /// What is wrong, or not known.
    pub(crate) message: Option<String>,
}

impl Ping {
    /// In a few words.
    pub(crate) fn text(&self) -> String {
        match (&self.message, self.milliseconds) {
            (Some(message), _) => message.clone(),
            (None, milliseconds) => format!("{} ms", milliseconds.unwrap_or_default()),
        }
    }
}

/// All that are there, by name.
pub(crate) fn all(data: &DataDir) -> Result<Vec<Found>, files::Error> {
    let folder = data.bridges();
    let read = match fs::read_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(files::Error::io("read the folder", &folder))?,
    };
    let names = read.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| super::check_name(name).is_ok()).collect();
    names.sort();
    Ok(names.into_iter().map(|name| at(data, name)).collect())
}

/// The one of that name.
pub(crate) fn of(data: &DataDir, name: &str) -> Option<Found> {
    data.bridges().join(name).is_dir().then(|| at(data, name.to_owned()))
}

fn at(data: &DataDir, name: String) -> Found {
    let folder = data.bridges().join(&name);
    let (note, registration) = (folder.join(NOTE), folder.join(REGISTRATION));
    let bridge = files::read(&note).map_err(Error::from).and_then(|text| {
        let read: Result<Bridge, _> = serde_json::from_str(&text);
        let damaged = |_| Error::Registration { path: note, why: "it is damaged".into() };
        Ok(Bridge { name: name.clone(), ..read.map_err(damaged)? })
    });
    let registration = files::read(&registration)
        .map_err(Error::from)
        .and_then(|text| Registration::read(&registration, &text));
    Found { leaving: folder.join(LEAVING).exists(), name, bridge, registration }
}

/// The files that Synapse is to read: only what is there and good, for it does not start with others;
/// and what is said of those that are left out.
pub(crate) fn registrations(data: &DataDir) -> Result<(Vec<PathBuf>, Vec<String>), files::Error> {
    let found = all(data)?;
    let whole = found.iter().filter_map(Found::whole);
    let paths = whole.map(|(bridge, _)| bridge.file(data, REGISTRATION)).collect();
    Ok((paths, found.iter().filter(|found| !found.leaving).filter_map(Found::flaw).collect()))
}

/// Makes the folder; `more` is what else goes into it: what the bridge reads, keys and passwords.
pub(crate) fn add(data: &DataDir, made: &Made, more: &[(&str, Secret)]) -> Result<(), Error> {
    let bridge = &made.bridge;
    files::private_folder(&data.bridges())?;
    clear(data)?;
    let filling = data.bridges().join(format!(".{}.new", bridge.name));
    files::private_folder(&filling)?;
    let write = |name: &str, text: &str| {
        files::write_atomically(&filling.join(name), text.as_bytes(), files::PRIVATE)
    };
    write(REGISTRATION, made.registration.text())?;
    write(NOTE, &serde_json::to_string_pretty(bridge).unwrap_or_default())?;
    more.iter().try_for_each(|(name, text)| write(name, text.expose()))?;
    let folder = bridge.folder(data);
    fs::rename(&filling, &folder).map_err(files::Error::io("make", &folder))?;
    Ok(())
}

/// Removes what killed runs left.
pub(crate) fn clear(data: &DataDir) -> Result<(), files::Error> {
    for entry in fs::read_dir(data.bridges()).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with('.') {
            files::remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Synapse is not told of it any more, from its next look on.
pub(crate) fn leave(data: &DataDir, name: &str) -> Result<(), files::Error> {
    files::write_atomically(&data.bridges().join(name).join(LEAVING), b"", files::PRIVATE)
}

/// Takes the folder away: at once by name, so that no half of it is ever looked at.
pub(crate) fn remove(data: &DataDir, name: &str) -> Result<(), files::Error> {
    let folder = data.bridges().join(name);
    let going = data.bridges().join(format!(".{name}.old"));
    files::remove(&going)?;
    fs::rename(&folder, &going).map_err(files::Error::io("remove", &folder))?;
    files::remove(&going)?;
    // The last one takes the folder of all with it.
    drop(fs::remove_dir(data.bridges()));
    Ok(())
}

pub(crate) fn database_password(data: &DataDir, name: &str) -> PathBuf {
    data.bridges().join(name).join(PASSWORD)
}

pub(crate) fn note_ping(data: &DataDir, name: &str, ping: &Ping) -> Result<(), files::Error> {
    let text = serde_json::to_string(ping).unwrap_or_default();
    files::write_atomically(&data.bridges().join(name).join(PING), text.as_bytes(), files::PRIVATE)
}

pub(crate) fn ping(data: &DataDir, name: &str) -> Option<Ping> {
    let text = files::read_if_exists(&data.bridges().join(name).join(PING)).ok()??;
    serde_json::from_str(&text).ok()
}

/// The Python environment that it runs in, where that is one of ours.
pub(crate) fn environment(data: &DataDir, kind: Kind) -> Option<PathBuf> {
    let name = match kind {
        Kind::Irc => "heisenbridge",
        Kind::Telegram => "telegram",
        Kind::Slack | Kind::Discord | Kind::Hookshot | Kind::Custom => return None,
    };
    Some(data.environments().join(name))
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt as _, path::Path};

    use super::*;
    use crate::bridges::{Asked, CONFIG, Network};

    fn made() -> Made {
        let asked = Asked {
            kind: Kind::Irc,
            owner: None,
            program: None,
            command: Vec::new(),
            port: None,
            digest: None,
        };
        let bridge = Bridge {
            name: "irc".into(),
            asked,
            id: "irc".into(),
            listens: Some(29300),
            hooks: None,
            database: None,
        };
        let users = ["@irc_.*:a".to_owned()];
        let registration =
            Registration::new("irc", "http://h:1", "s", &users, &[], &mut rand::rng());
        Made { bridge, registration, network: Network::default() }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_bridge_is_there_whole_and_private_until_it_leaves() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        assert!(all(&data).unwrap().is_empty());
        files::private_folder(&data.bridges().join(".irc.new")).unwrap();
        let more = [(CONFIG, Secret::new("a: b")), (PASSWORD, Secret::new("x"))];
        add(&data, &made(), &more).unwrap();
        for name in [NOTE, REGISTRATION, CONFIG, PASSWORD] {
            assert_eq!(mode(&data.bridges().join("irc").join(name)), 0o600);
        }
        let found = all(&data).unwrap().pop().unwrap();
        assert_eq!(found.whole().unwrap().0, &made().bridge);
        assert_eq!(registrations(&data).unwrap().0.len(), 1);
        leave(&data, "irc").unwrap();
        assert!(registrations(&data).unwrap().0.is_empty());
        assert!(of(&data, "irc").unwrap().leaving);
        remove(&data, "irc").unwrap();
        assert!(!data.bridges().exists());
    }

    #[test]
    fn one_that_synapse_could_not_read_is_left_out_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        add(&data, &made(), &[]).unwrap();
        let file = data.bridges().join("irc").join(REGISTRATION);
        for text in [None, Some("garbage"), Some("id: x")] {
            files::remove(&file).unwrap();
            if let Some(text) = text {
                files::write_atomically(&file, text.as_bytes(), files::PRIVATE).unwrap();
            }
            let (paths, warnings) = registrations(&data).unwrap();
            assert!(paths.is_empty());
            assert!(warnings[0].starts_with("the bridge `irc` is left out: "), "{warnings:?}");
        }
    }
}
