//! Which PostgreSQL this homeserver uses, and how Synapse reaches it.

use std::{fmt, net::IpAddr, path::PathBuf};

use rand::rng;
use serde::Serialize;

use super::{Error, embedded, record::Record};
use crate::{
    config::{
        Config, bracketed,
        sections::database::{Kind, Tls},
        sources::vrooli,
        values::source::Source,
    },
    files,
    secret::Secret,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Shared {
        /// A name, an address, or the folder of a unix socket.
        host: String,
        port: u16,
        tls: Tls,
    },
    Embedded {
        /// The folder of its unix socket.
        sockets: PathBuf,
        port: u16,
    },
}

impl Target {
    pub(crate) fn is_embedded(&self) -> bool {
        matches!(self, Self::Embedded { .. })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared { host, port, .. } => write!(f, "{}:{port}", bracketed(host)),
            Self::Embedded { .. } => f.write_str("embedded"),
        }
    }
}

/// What `database.kind` means here. `auto` is what it was before; the first time it is the server
/// that is configured or that Vrooli provides, else our own.
pub(crate) fn target(config: &Config) -> Result<Target, Error> {
    let database = &config.database;
    let shared = |host: String, port| Target::Shared { host, port, tls: database.tls };
    let own = || Target::Embedded {
        sockets: embedded::socket_folder(&config.data),
        port: database.embedded_port.0,
    };
    let host = database.host.clone();
    match database.kind {
        Kind::Embedded => return Ok(own()),
        Kind::Shared => {
            return host.map(|host| shared(host, database.port.0)).ok_or(Error::NoHost);
        }
        Kind::Auto => {}
    }
    let provided = vrooli::is_provided(config, "database.host");
    let record = Record::read(&config.data)?;
    let ours = match &record {
        Some(record) => record.shared.is_none(),
        None => embedded::exists(&config.data),
    };
    match (host, record.and_then(|record| record.shared)) {
        (Some(host), _) if ours && !provided => {
            Err(Error::Moved { cluster: embedded::cluster(&config.data), host })
        }
        _ if ours => Ok(own()),
        (Some(host), _) => Ok(shared(host, database.port.0)),
        // Called from a shell that does not know VROOLI_ROOT: the database stays where it is.
        (None, Some((host, port))) => Ok(shared(host, port)),
        (None, None) => Ok(own()),
    }
}

/// What Synapse is told about its database, in libpq's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ClientSettings {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) dbname: String,
    pub(crate) sslmode: &'static str,
    /// `system` where the server's certificate is checked.
    pub(crate) sslrootcert: Option<&'static str>,
    /// Mode 0600; the password stands nowhere else that Synapse reads.
    pub(crate) passfile: PathBuf,
}

impl ClientSettings {
    /// The same as a URL, for who reads only that. One that cannot be told to encrypt where the server can has
    /// to: anything but this machine is spoken to encrypted.
    pub(crate) fn url(&self) -> String {
        let is_here = self.host.starts_with('/')
            || self.host == "localhost"
            || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let sslmode = match self.sslmode {
            "prefer" if is_here => "disable",
            "prefer" => "require",
            other => other,
        };
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("host", &self.host)
            .append_pair("port", &self.port.to_string())
            .append_pair("user", &self.user)
            .append_pair("sslmode", sslmode)
            .finish();
        format!("postgresql:///{}?{query}", self.dbname)
    }
}

/// How Synapse connects; writes nothing. Our own server is reached through its socket: it
/// lies in a folder of mode 0700, so no other account can even knock, and no port is involved.
pub(crate) fn client_settings(config: &Config) -> Result<ClientSettings, Error> {
    let (host, port, tls) = match target(config)? {
        Target::Shared { host, port, tls } => (host, port, tls),
        Target::Embedded { sockets, port } => (sockets.display().to_string(), port, Tls::Disable),
    };
    Ok(ClientSettings {
        user: config.database.user.0.clone(),
        dbname: config.database.name.0.clone(),
        sslmode: match tls {
            Tls::Disable => "disable",
            Tls::Prefer => "prefer",
            Tls::Require => "require",
            Tls::VerifyFull => "verify-full",
        },
        sslrootcert: (tls == Tls::VerifyFull).then_some("system"),
        passfile: config.data.secret("pgpass"),
        host,
        port,
    })
}

/// Writes the password file that [`client_settings`] names.
pub(crate) fn write_passfile(config: &Config) -> Result<(), Error> {
    let settings = client_settings(config)?;
    let lines = pass_lines(&settings, &role_password(config)?);
    files::write_if_changed(&settings.passfile, lines.as_bytes(), files::PRIVATE)?;
    Ok(())
}

/// The lines of a libpq password file (PostgreSQL docs, "The Password File").
fn pass_lines(settings: &ClientSettings, password: &Secret) -> String {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace(':', "\\:");
    let line = |host: &str| {
        let fields = [host, &settings.port.to_string(), &settings.dbname, &settings.user];
        let fields = fields.map(escaped).join(":");
        format!("{fields}:{}\n", escaped(password.expose()))
    };
    // libpq calls its built-in socket folder `localhost` here.
    let built_in = settings.host.ends_with("run/postgresql").then(|| line("localhost"));
    line(&settings.host) + &built_in.unwrap_or_default()
}

/// The role's password, as far as there is one yet.
pub(super) fn known_password(config: &Config) -> Result<Option<Secret>, Error> {
    // The file may have been written since the settings were read.
    let kept = || match Secret::read(&config.data.secret(PASSWORD)) {
        Ok(password) => Ok(Some(password)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    };
    config.database.password.as_ref().map_or_else(kept, |password| Ok(Some(password.0.clone())))
}

/// The role's password; one is made and kept if there is none. One that came with this call is kept
/// too, because the next one may come without.
pub(super) fn role_password(config: &Config) -> Result<Secret, Error> {
    let file = config.data.secret(PASSWORD);
    let passing =
        matches!(config.source("database.password"), Source::Environment(_) | Source::Flag);
    match known_password(config)? {
        Some(password) => {
            if passing && Secret::read(&file).ok().as_ref() != Some(&password) {
                password.write(&file)?;
            }
            Ok(password)
        }
        None => Ok(Secret::read_or_generate(&file, &mut rng())?),
    }
}

/// The file of the setting `database.password`.
const PASSWORD: &str = "database_password";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::sources::environment::Environment, data_dir::DataDir};

    fn config(folder: &tempfile::TempDir, flags: &[&str]) -> Config {
        let data = DataDir::new(folder.path().to_owned());
        data.create().unwrap();
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        Config::load(data, &flags, &Environment::default()).unwrap()
    }

    #[test]
    fn auto_is_our_own_without_a_host_and_stays_where_the_data_is() {
        let folder = tempfile::tempdir().unwrap();
        let without = config(&folder, &[]);
        assert!(target(&without).unwrap().is_embedded());
        let with = config(&folder, &["database.host=db.example"]);
        assert_eq!(target(&with).unwrap().to_string(), "db.example:5433");

        let shared = Some(("db.example".to_owned(), 5433_u16));
        Record { shared, ..Record::default() }.write(&with.data).unwrap();
        assert_eq!(target(&without).unwrap().to_string(), "db.example:5433");

        Record::default().write(&with.data).unwrap();
        assert!(target(&without).unwrap().is_embedded());
        assert!(matches!(target(&with), Err(Error::Moved { .. })));
    }

    #[test]
    fn a_password_file_escapes_what_libpq_takes_apart() {
        let folder = tempfile::tempdir().unwrap();
        let flags = [
            "database.host=::1",
            "database.name=a:b",
            "database.password=pa:ss\\word",
            "database.tls=verify-full",
        ];
        let config = config(&folder, &flags);
        let settings = client_settings(&config).unwrap();
        assert!(!settings.passfile.exists());
        write_passfile(&config).unwrap();
        assert_eq!(
            files::read(&settings.passfile).unwrap(),
            "\\:\\:1:5433:a\\:b:synapse:pa\\:ss\\\\word\n"
        );
        assert_eq!(settings.sslrootcert, Some("system"));
    }
}
