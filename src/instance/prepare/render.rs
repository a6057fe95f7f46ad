//! Synapse's files as the settings want them now.

use rand::rng;

use crate::{
    bridges, clock,
    config::{Config, sections::stack::Part},
    error::{Explain, Kind},
    matrix::{self, jwt},
    oidc,
    postgres::{self, ClientSettings},
    proxy,
    python::Environment,
    redis, s3,
    synapse::{
        self,
        files::{self, DatabaseSettings, Rendered},
        keys,
    },
    tls, turn,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Postgres(#[from] postgres::Error),
    #[error(transparent)]
    Synapse(#[from] synapse::Error),
    #[error(transparent)]
    File(#[from] crate::files::Error),
    #[error(transparent)]
    Proxy(#[from] proxy::Error),
    #[error(transparent)]
    Matrix(#[from] matrix::Error),
    #[error(transparent)]
    Tls(#[from] tls::Error),
    #[error(transparent)]
    Redis(#[from] redis::Error),
    #[error(transparent)]
    Bridge(#[from] bridges::Error),
    #[error(transparent)]
    Turn(#[from] turn::Error),
    #[error(transparent)]
    Oidc(#[from] oidc::Error),
    #[error(transparent)]
    S3(#[from] s3::Error),
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Postgres(error) => error.kind(),
            Self::Synapse(error) => error.kind(),
            Self::File(error) => error.kind(),
            Self::Proxy(error) => error.kind(),
            Self::Matrix(error) => error.kind(),
            Self::Tls(error) => error.kind(),
            Self::Redis(error) => error.kind(),
            Self::Bridge(error) => error.kind(),
            Self::Turn(error) => error.kind(),
            Self::Oidc(error) => error.kind(),
            Self::S3(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Postgres(error) => error.hint(),
            Self::Synapse(error) => error.hint(),
            Self::File(error) => error.hint(),
            Self::Proxy(error) => error.hint(),
            Self::Matrix(error) => error.hint(),
            Self::Tls(error) => error.hint(),
            Self::Redis(error) => error.hint(),
            Self::Bridge(error) => error.hint(),
            Self::Turn(error) => error.hint(),
            Self::Oidc(error) => error.hint(),
            Self::S3(error) => error.hint(),
        }
    }
}

/// Stands for the key of our sessions as long as there is none.
const NO_KEY: &str = "made by `manage install`";

/// Makes what the rendered files point to: what Synapse reads, certificates, the settings of the relay.
/// What is said of a certificate, where there is one.
pub(crate) fn prepare(config: &Config) -> Result<Option<tls::Ready>, Error> {
    prepare_for_synapse(config)?;
    let ready = tls::ensure(config, clock::now())?;
    turn::write(config)?;
    Ok(ready)
}

/// Makes the files that Synapse reads because its settings name them, some of which are new with these
/// settings: passwords and secrets, the key of our sessions, the CAs we believe.
pub(crate) fn prepare_for_synapse(config: &Config) -> Result<(), Error> {
    postgres::write_passfile(config)?;
    redis::write(config)?;
    keys::replication_secret(&config.data, &mut rng())?;
    jwt::Key::read_or_generate(&config.data)?;
    tls::trusted::write(config)?;
    turn::keep_secret(config)?;
    oidc::write(config)?;
    Ok(s3::write(config)?)
}

/// Renders the files; writes nothing.
pub(crate) fn render(config: &Config) -> Result<Rendered, Error> {
    let ClientSettings { host, port, user, dbname, sslmode, sslrootcert, passfile } =
        postgres::client_settings(config)?;
    let database = DatabaseSettings {
        host,
        port,
        user,
        dbname,
        sslmode: sslmode.to_owned(),
        sslrootcert: sslrootcert.map(str::to_owned),
        passfile,
    };
    let key = jwt::Key::read(&config.data)?;
    let key = key.map_or_else(|| NO_KEY.to_owned(), |key| key.public_pem());
    let believed = tls::trusted::paths(config)?;
    let (logins, media) = (oidc::providers(config), s3::providers(config));
    // One that Synapse could not read would keep it from starting.
    let (bridges, _) = bridges::registrations(&config.data)?;
    Ok(files::render(
        config,
        &database,
        Some(&key),
        &believed,
        logins.as_ref(),
        media.as_ref(),
        &bridges,
    )?)
}

/// The Synapse that is installed.
pub(crate) fn environment(config: &Config) -> Environment {
    Environment::at(config.data.synapse_environment())
}

/// Whether the relay, the login provider and the store for media can be what the settings ask for; asks
/// nobody.
pub(crate) fn fits(config: &Config) -> Result<(), Error> {
    turn::check(config)?;
    oidc::check(config)?;
    Ok(s3::check(config)?)
}

/// Whether Synapse can read all registrations of bridges: it does not start with one that it cannot.
pub(crate) async fn bridges_are_read(config: &Config) -> Result<(), Error> {
    let there = bridges::all(&config.data).map_err(bridges::Error::from)?;
    let texts: Vec<(String, String)> = there
        .iter()
        .filter_map(bridges::Found::whole)
        .map(|(bridge, registration)| (bridge.name.clone(), registration.text().to_owned()))
        .collect();
    let server = config.server.name.to_string();
    let verdicts = synapse::appservice::judge(&environment(config), &server, &texts).await?;
    for ((name, _), verdict) in texts.into_iter().zip(verdicts) {
        if let Some(why) = verdict {
            return Err(bridges::Error::Unread { name, why }.into());
        }
    }
    Ok(())
}

/// Renders and lets those judge it who will read it; what is in place stays.
pub(crate) async fn check(config: &Config) -> Result<(), Error> {
    tls::check(config, clock::now())?;
    fits(config)?;
    bridges_are_read(config).await?;
    s3::is_installed(config, &environment(config))?;
    prepare_for_synapse(config)?;
    let rendered = render(config)?;
    files::check(config, &rendered, &environment(config)).await?;
    proxy::check(config, &rendered.homeserver).await?;
    Ok(())
}

/// Renders, lets those judge it who will read it, Synapse and nginx, and puts it in place if it is
/// good; true if that changed something. A bad one leaves the old file as it is.
pub(crate) async fn refresh(config: &Config) -> Result<bool, Error> {
    let rendered = judged(config).await?;
    let proxy = proxy::refresh(config, &rendered.homeserver).await?;
    Ok(files::write(&config.data, &rendered)? || proxy)
}

/// What nginx reads, brought up to date while everything runs: a certificate that was renewed, or a
/// setting of the proxy alone. Where Synapse reads something else than the settings say it waits with
/// Synapse for a restart.
pub(crate) async fn refresh_proxy(config: &Config) -> Result<bool, Error> {
    if !config.has(Part::Proxy) {
        return Ok(false);
    }
    let rendered = render(config)?;
    if !files::is_current(&config.data, &rendered)? {
        return Ok(false);
    }
    tls::ensure(config, clock::now())?;
    let relay = turn::write(config)?;
    Ok(proxy::refresh(config, &rendered.homeserver).await? || relay)
}

/// Synapse's files as they would be written, found good by Synapse.
pub(crate) async fn judged(config: &Config) -> Result<Rendered, Error> {
    s3::is_installed(config, &environment(config))?;
    prepare(config)?;
    bridges_are_read(config).await?;
    let rendered = render(config)?;
    files::check(config, &rendered, &environment(config)).await?;
    Ok(rendered)
}
