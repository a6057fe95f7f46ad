//! The relay of calls, coturn: its program, and the file that it reads.

use std::path::PathBuf;

use data_encoding::HEXLOWER;
use minijinja::{Environment as Templates, UndefinedBehavior, context};
use rand::rng;
use sha2::{Digest as _, Sha256};

use crate::{
    config::{Config, values::range::Range},
    data_dir::DataDir,
    error::{Explain, Kind},
    files, process,
    secret::Secret,
    tls,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("`turn.enabled` is set, but this machine has no coturn")]
    Missing,
    #[error("`turn.uris` names a relay, and `turn.secret` is not set")]
    NoSecret,
    #[error("`turn.secret` contains a character coturn cannot read")]
    Secret,
    #[error("the relay's ports end above 65535: {first} and {count} from there on")]
    Ports { first: u16, count: u32 },
    #[error("the template of `turnserver.conf` is wrong")]
    Template(#[from] minijinja::Error),
    #[error(transparent)]
    Tls(#[from] tls::Error),
    #[error(transparent)]
    File(#[from] files::Error),
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing => Kind::Environment,
            Self::NoSecret | Self::Secret | Self::Ports { .. } => Kind::Setting,
            Self::Template(_) => Kind::Bug,
            Self::Tls(error) => error.kind(),
            Self::File(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Missing => Some(
                "`apt-get install -y --no-install-recommends coturn` installs it; `config set turn.enabled false` does without one".into(),
            ),
            Self::NoSecret => Some("`config set turn.secret` sets the one that the relay has".into()),
            Self::Secret => Some("use letters, digits and punctuation other than `#`, without whitespace".into()),
            Self::Ports { .. } => Some("`config set turn.relay_ports 100`".into()),
            Self::Template(_) => None,
            Self::Tls(error) => error.hint(),
            Self::File(error) => error.hint(),
        }
    }
}

/// What is not the public internet: a relay must not be a way into the network behind it ([coturn]).
///
/// [coturn]: https://element-hq.github.io/synapse/latest/setup/turn/coturn.html
const DENIED: [&str; 19] = [
    "0.0.0.0-0.255.255.255",
    "10.0.0.0-10.255.255.255",
    "100.64.0.0-100.127.255.255",
    "127.0.0.0-127.255.255.255",
    "169.254.0.0-169.254.255.255",
    "172.16.0.0-172.31.255.255",
    "192.0.0.0-192.0.0.255",
    "192.0.2.0-192.0.2.255",
    "192.88.99.0-192.88.99.255",
    "192.168.0.0-192.168.255.255",
    "198.18.0.0-198.19.255.255",
    "198.51.100.0-198.51.100.255",
    "203.0.113.0-203.0.113.255",
    "240.0.0.0-255.255.255.255",
    "::-::1",
    // Addresses of IPv4 in IPv6, as they are and behind a translator.
    "::ffff:0:0-::ffff:ffff:ffff",
    "64:ff9b::-64:ff9b::ffff:ffff",
    "fc00::-febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "ff00::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
];

pub(crate) fn conf(data: &DataDir) -> PathBuf {
    data.turn().join("turnserver.conf")
}

/// The file of the setting `turn.secret`.
pub(crate) fn secret(data: &DataDir) -> PathBuf {
    data.secret("turn_secret")
}

pub(crate) fn program() -> Result<PathBuf, Error> {
    let usual = PathBuf::from("/usr/sbin/turnserver");
    let usual = process::is_program(&usual).then_some(usual);
    process::find("turnserver").or(usual).ok_or(Error::Missing)
}

/// Whether there can be the relay that the settings ask for; changes nothing.
pub(crate) fn check(config: &Config) -> Result<(), Error> {
    let turn = &config.turn;
    if !turn.uris.is_empty() && turn.secret.is_none() {
        return Err(Error::NoSecret);
    }
    if !config.has_relay() {
        return Ok(());
    }
    // It is not quoted there, and a comment begins with a hash.
    let readable =
        |secret: &Secret| secret.expose().chars().all(|c| c.is_ascii_graphic() && c != '#');
    if turn.secret.as_ref().is_some_and(|secret| !readable(secret)) {
        return Err(Error::Secret);
    }
    last_port(config)?;
    program().map(drop)
}

fn last_port(config: &Config) -> Result<u16, Error> {
    let (first, count) = (config.turn.relay_port.0, config.turn.relay_ports.max(2));
    let last = u32::from(first) + count - 1;
    u16::try_from(last).map_err(|_| Error::Ports { first, count })
}

/// Keeps the secret where Synapse reads it; none where there is no relay.
pub(crate) fn keep_secret(config: &Config) -> Result<Option<Secret>, Error> {
    check(config)?;
    if config.relay_uris().is_empty() {
        return Ok(None);
    }
    let file = secret(&config.data);
    if let Some(given) = &config.turn.secret {
        files::write_if_changed(&file, given.expose().as_bytes(), files::PRIVATE)?;
    }
    Ok(Some(Secret::read_or_generate(&file, &mut rng())?))
}

/// The same, and writes what our own relay reads; true if that changed.
pub(crate) fn write(config: &Config) -> Result<bool, Error> {
    let Some(secret) = keep_secret(config)?.filter(|_| config.has_relay()) else {
        return Ok(false);
    };
    let data = &config.data;
    files::private_folder(&data.turn())?;
    let text = render(config, &secret)?;
    Ok(files::write_if_changed(&conf(data), text.as_bytes(), files::PRIVATE)?)
}

fn render(config: &Config, secret: &Secret) -> Result<String, Error> {
    let (turn, data) = (&config.turn, &config.data);
    let pair = tls::pair(config)?;
    // Our own is made right before it is used.
    let text = pair.as_ref().map(|pair| files::read_if_exists(&pair.certificate)).transpose()?;
    let text = text.flatten().unwrap_or_default();
    let values = context! {
        hash => HEXLOWER.encode(&Sha256::digest(text)),
        address => turn.address.to_string(),
        external => turn.external_address.map(|it| it.to_string()),
        port => turn.port.0,
        tls_port => turn.tls_port.0,
        certificate => pair.as_ref().map(|pair| pair.certificate.display().to_string()),
        key => pair.as_ref().map(|pair| pair.key.display().to_string()),
        secret => secret.expose(),
        realm => config.server.name.to_string(),
        first => turn.relay_port.0,
        last => last_port(config)?,
        denied => DENIED,
        allowed => turn.allowed_peers.iter().map(Range::span).collect::<Vec<_>>(),
        loopback => turn.allowed_peers.iter().any(|range| range.first().is_loopback()),
        database => data.turn().join("turndb").display().to_string(),
        pid => data.run().join("turnserver.pid").display().to_string(),
    };
    let mut templates = Templates::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    let template = include_str!("../templates/turnserver.conf.j2");
    Ok(templates.render_named_str("turnserver.conf.j2", template, &values)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sources::environment::Environment;

    fn config(flags: &[&str]) -> Config {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        Config::load(DataDir::new("/nowhere".into()), &flags, &Environment::default()).unwrap()
    }

    #[test]
    fn a_relay_is_closed_to_private_networks_but_for_those_that_are_named() {
        let allowed = "turn.allowed_peers=10.1.2.0/24";
        let text = render(&config(&["turn.enabled=true", allowed]), &Secret::new("s3cret44"));
        let text = text.unwrap();
        assert!(text.contains("denied-peer-ip=10.0.0.0-10.255.255.255\n"), "{text}");
        assert!(text.contains("allowed-peer-ip=10.1.2.0-10.1.2.255\n"), "{text}");
        assert!(text.contains("min-port=49160\nmax-port=49259\n"), "{text}");
        assert!(!text.contains("allow-loopback-peers"), "{text}");
        assert!(text.contains("no-tls\n"), "{text}");
    }

    #[test]
    fn what_no_relay_could_be_is_refused() {
        let refused = |flags: &[&str]| check(&config(flags)).unwrap_err().to_string();
        assert!(refused(&["turn.uris=turn:a.example"]).contains("`turn.secret` is not set"));
        let odd = refused(&["turn.enabled=true", "turn.secret=with # blank"]);
        assert!(odd.contains("cannot read") && !odd.contains("blank"));
        assert!(refused(&["turn.enabled=true", "turn.relay_ports=70000"]).contains("65535"));
    }
}
