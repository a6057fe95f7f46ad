//! Bridges to other chat networks, as they stand in the data folder: `bridges/NAME/` holds the
//! registration that Synapse reads, what the bridge itself reads, and a note of how it was asked for. The
//! folder is made beside its place and renamed into it, so a bridge is there whole or not at all.

mod error;
mod folder;
pub(crate) mod hookshot;
mod irc;
mod mautrix;
mod namespaces;
pub(crate) mod registration;
pub(crate) mod telegram;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    net::{Ipv4Addr, TcpListener},
    os::unix::ffi::OsStrExt as _,
    path::PathBuf,
};

use ruma::ServerName;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    config::{Config, values::shape::Words as _},
    data_dir::DataDir,
    supervisor::service::Launch,
};

pub(crate) use error::Error;
pub(crate) use folder::{
    Found, PASSWORD, Ping, add, all, clear, database_password, environment, leave, note_ping, of,
    ping, registrations, remove,
};
pub(crate) use namespaces::escaped;
pub(crate) use registration::Registration;

crate::config::values::shape::words! {
    /// What a bridge leads to, or how it comes to be.
    Kind {
        Irc = "irc",
        Telegram = "telegram",
        Slack = "slack",
        Discord = "discord",
        Hookshot = "hookshot",
        /// Its registration was written elsewhere.
        Custom = "custom",
    }
}

impl Kind {
    pub(crate) fn named(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.word() == word)
    }

    pub(crate) fn words() -> String {
        Self::ALL.iter().map(|kind| kind.word()).collect::<Vec<_>>().join(", ")
    }

    /// Whether the operator has to bring its program.
    pub(crate) fn needs_program(self) -> bool {
        matches!(self, Self::Slack | Self::Discord | Self::Hookshot)
    }

    /// Whether it starts for a homeserver of that name: those of the mautrix family take the one in their
    /// example for none at all.
    pub(crate) fn starts_for(self, server: &ServerName) -> bool {
        server.as_str() != "example.com"
            || !matches!(self, Self::Telegram | Self::Slack | Self::Discord)
    }

    /// Whether it keeps what it knows in PostgreSQL.
    pub(crate) fn wants_database(self) -> bool {
        matches!(self, Self::Telegram | Self::Slack | Self::Discord)
    }
}

/// What was asked for: asked for again, there is nothing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) kind: Kind,
    /// Who may order the bridge about.
    pub(crate) owner: Option<String>,
    pub(crate) program: Option<PathBuf>,
    /// Of a `custom` one whose process is kept here.
    pub(crate) command: Vec<String>,
    pub(crate) port: Option<u16>,
    /// Of what was handed over and must not be shown: a registration, keys of a network.
    pub(crate) digest: Option<String>,
}

/// A bridge, as it is noted in `bridge.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bridge {
    #[serde(skip)]
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) asked: Asked,
    /// Of its registration.
    pub(crate) id: String,
    /// Where it listens on this machine, if it does.
    pub(crate) listens: Option<u16>,
    /// Where others on this machine tell it things, if it listens for that as well.
    #[serde(default)]
    pub(crate) hooks: Option<u16>,
    /// Its role and its database, where it wants them.
    pub(crate) database: Option<String>,
}

impl Bridge {
    /// The name of its service.
    pub(crate) fn service(&self) -> String {
        format!("bridge-{}", self.name)
    }

    pub(crate) fn folder(&self, data: &DataDir) -> PathBuf {
        data.bridges().join(&self.name)
    }

    pub(crate) fn file(&self, data: &DataDir, name: &str) -> PathBuf {
        self.folder(data).join(name)
    }

    /// The ports that it has on this machine.
    pub(crate) fn ports(&self) -> impl Iterator<Item = u16> {
        self.listens.into_iter().chain(self.hooks)
    }

    /// Where its webhooks are, each below its id.
    pub(crate) fn hooks_url(&self) -> Option<String> {
        self.hooks.map(|port| format!("http://127.0.0.1:{port}/webhook/"))
    }

    /// How its process is started; none where that is not our business.
    pub(crate) fn launch(&self, config: &Config) -> Option<Launch> {
        let data = &config.data;
        let folder = self.folder(data);
        let registration = self.file(data, REGISTRATION);
        let words: Vec<OsString> = match self.asked.kind {
            Kind::Irc => irc::command(config, self),
            Kind::Slack | Kind::Discord | Kind::Telegram => mautrix::command(config, self),
            Kind::Hookshot => hookshot::command(data, self),
            Kind::Custom => self.asked.command.iter().map(OsString::from).collect(),
        };
        let (program, args) = words.split_first()?;
        let mut launch = Launch::new(program, &folder).args(args);
        launch.environment = BTreeMap::from([
            // What it says is read as it is said.
            ("PYTHONUNBUFFERED".to_owned(), "1".into()),
            ("MATRIX_SYNAPSE_URL".to_owned(), config.local_url().into()),
            ("MATRIX_SYNAPSE_SERVER_NAME".to_owned(), config.server.name.to_string().into()),
            ("BRIDGE_REGISTRATION".to_owned(), registration.into()),
        ]);
        if self.asked.kind == Kind::Hookshot {
            launch.environment.insert("NODE_ENV".to_owned(), "production".into());
        }
        Some(launch)
    }
}

/// What a bridge is made of, before it is anywhere.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) bridge: Bridge,
    pub(crate) registration: Registration,
    /// What its program reads; made last, for it may name the database.
    pub(crate) network: Network,
}

/// Keys of the other network, and what else its program has to be told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Network {
    pub(crate) api_id: Option<u32>,
    pub(crate) api_hash: Option<crate::secret::Secret>,
    pub(crate) bot_token: Option<crate::secret::Secret>,
}

impl Made {
    /// The file that its program reads; none where it has none of ours.
    pub(crate) fn config(
        &self,
        config: &Config,
        database: Option<&str>,
    ) -> Result<Option<String>, Error> {
        match self.bridge.asked.kind {
            Kind::Irc | Kind::Custom => Ok(None),
            Kind::Hookshot => hookshot::config(config, &self.bridge).map(Some),
            Kind::Telegram | Kind::Slack | Kind::Discord => {
                mautrix::config(config, self, database.unwrap_or_default()).map(Some)
            }
        }
    }
}

/// What Synapse and the bridge both read.
pub(crate) const REGISTRATION: &str = "registration.yaml";
/// A key of its own, for one that wants one.
pub(crate) const KEY: &str = "passkey.pem";
/// What the bridge alone reads.
pub(crate) const CONFIG: &str = "config.yaml";

/// A name is part of a file's name, a service's, a user's and a database's.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    const LONGEST: usize = 24;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fits = name.len() <= LONGEST
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.chars().all(plain);
    if fits { Ok(()) } else { Err(Error::Name(name.escape_debug().to_string())) }
}

/// Ports that are looked at for one that is free: so many from the first on. Each homeserver of a machine
/// begins somewhere else, for the bridges of another one may not run just now.
const FIRST: u16 = 29_300;
const PORTS: u16 = 600;

fn ports(data: &DataDir) -> impl Iterator<Item = u16> {
    let hash = Sha256::digest(data.root().as_os_str().as_bytes());
    let begin = u16::from_be_bytes([hash[0], hash[1]]) % PORTS;
    (0..PORTS).map(move |step| FIRST + (begin + step) % PORTS)
}

/// The port that was asked for, or the first that nobody has.
pub(crate) fn port(config: &Config, asked: Option<u16>, there: &[Found]) -> Result<u16, Error> {
    port_but(config, asked, there, None)
}

/// The same for another one of a bridge, which has `ours` already.
pub(crate) fn port_beside(config: &Config, ours: u16, there: &[Found]) -> Result<u16, Error> {
    port_but(config, None, there, Some(ours))
}

fn port_but(
    config: &Config,
    asked: Option<u16>,
    there: &[Found],
    ours: Option<u16>,
) -> Result<u16, Error> {
    let owner = |port: u16| there.iter().find(|found| found.has(port));
    let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let set = config.ports();
    if let Some(port) = asked {
        if let Some(other) = owner(port) {
            return Err(Error::Port { port, by: format!("the bridge `{}`", other.name()) });
        }
        if let Some((key, _)) = set.iter().find(|(_, other)| *other == port) {
            return Err(Error::Port { port, by: format!("the setting `{key}`") });
        }
        if !is_free(port) {
            let by = crate::process::listener(port).map_or_else(
                || "another program".into(),
                |(pid, it)| format!("`{it}` (pid {pid})"),
            );
            return Err(Error::Port { port, by });
        }
        return Ok(port);
    }
    let mut ports = ports(&config.data);
    let unused = |port: &u16| {
        ours != Some(*port)
            && owner(*port).is_none()
            && !set.iter().any(|(_, other)| other == port)
            && is_free(*port)
    };
    ports.find(unused).ok_or(Error::NoPort)
}

/// What a bridge of a kind is registered with: the names of its users are `NAME…`.
pub(crate) fn registration(
    config: &Config,
    kind: Kind,
    name: &str,
    port: u16,
    rng: &mut impl rand::Rng,
) -> Registration {
    let server = escaped(config.server.name.0.as_str());
    let bot = format!("@{name}bot:{server}");
    let ghosts = format!("@{name}_.*:{server}");
    // Programs of the mautrix family want their bot to be one of their users, not the sender.
    let sender = match kind {
        Kind::Telegram | Kind::Slack | Kind::Discord => format!("{name}-sender"),
        Kind::Irc | Kind::Hookshot | Kind::Custom => format!("{name}bot"),
    };
    // Its public channels have addresses.
    let aliases = match kind {
        Kind::Telegram => vec![format!("#{name}_.*:{server}")],
        Kind::Irc | Kind::Slack | Kind::Discord | Kind::Hookshot | Kind::Custom => Vec::new(),
    };
    let url = format!("http://127.0.0.1:{port}");
    Registration::new(name, &url, &sender, &[bot, ghosts], &aliases, rng)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_word_of_small_letters() {
        for good in ["irc", "libera-chat", "a", "x2"] {
            check_name(good).unwrap();
        }
        for bad in ["", "2x", "Irc", "a b", "a/b", "../x", "a_b", "ä", "a-", &"x".repeat(25)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
