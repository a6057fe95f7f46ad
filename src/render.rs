//! What the processes read, as the settings want it now: Synapse's files, with all that they name, and nginx's.

use rand::rng;

use crate::{
    bridges, clock,
    config::{Config, sections::stack::Part},
    dendrite,
    error::Failure,
    matrix::jwt,
    oidc,
    postgres::{self, ClientSettings},
    proxy,
    python::Environment,
    redis, relay, s3,
    synapse::{
        self,
        files::{self, DatabaseSettings, Rendered},
        keys,
    },
    tls, turn,
};

/// The secrets that every process of Synapse reads.
pub(crate) const SECRETS: [&str; 9] = [
    "signing.key",
    "macaroon_secret_key",
    "form_secret",
    "synapse_registration_secret",
    "worker_replication_secret",
    "session.key",
    "database_password",
    "turn_secret",
    "oidc_client_secret",
];

/// Stands for the key of our sessions as long as there is none.
const NO_KEY: &str = "made by `manage install`";

/// Makes what the rendered files point to: what Synapse reads, certificates, the settings of the relay.
/// What is said of a certificate, where there is one.
pub(crate) fn prepare(config: &Config) -> Result<Option<tls::Ready>, Failure> {
    prepare_homeserver(config)?;
    let ready = tls::ensure(config, clock::now())?;
    turn::write(config)?;
    Ok(ready)
}

/// Makes the files that the homeserver reads because its settings name them, some of which are new with these
/// settings: secrets, the key of our sessions, the CAs we believe.
pub(crate) fn prepare_homeserver(config: &Config) -> Result<(), Failure> {
    if config.is_dendrite() {
        tls::trusted::write(config)?;
        turn::keep_secret(config)?;
        return Ok(dendrite::prepare(config)?);
    }
    redis::write(config)?;
    keys::replication_secret(&config.data, &mut rng())?;
    jwt::Key::read_or_generate(&config.data)?;
    tls::trusted::write(config)?;
    turn::keep_secret(config)?;
    oidc::write(config)?;
    relay::registration::write(config)?;
    Ok(s3::write(config)?)
}

/// Renders the files; writes nothing. Dendrite has one file in the place of Synapse's.
pub(crate) fn render(config: &Config) -> Result<Rendered, Failure> {
    let settings = postgres::client_settings(config)?;
    if config.is_dendrite() {
        let homeserver = dendrite::render(config, &settings.url())?;
        return Ok(Rendered { homeserver, log: String::new(), workers: Vec::new() });
    }
    let ClientSettings { host, port, user, dbname, sslmode, sslrootcert, passfile } = settings;
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
    let (mut bridges, _) = bridges::registrations(&config.data)?;
    bridges.extend(relay::registration::told(config));
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

/// Whether the installed files are these.
pub(crate) fn is_current(config: &Config, rendered: &Rendered) -> Result<bool, Failure> {
    Ok(if config.is_dendrite() {
        dendrite::is_current(&config.data, &rendered.homeserver)?
    } else {
        files::is_current(&config.data, rendered)?
    })
}

/// Whether there is somebody to ask: what is installed, and whole.
pub(crate) fn can_judge(config: &Config) -> bool {
    config.data.is_installed() && (config.is_dendrite() || environment(config).is_complete())
}

/// Lets the Synapse of an environment judge what was rendered; Dendrite only says so when it starts. What
/// should be known although it is good.
pub(crate) async fn judge(
    config: &Config,
    rendered: &Rendered,
    environment: &Environment,
) -> Result<Vec<String>, Failure> {
    if config.is_dendrite() {
        return Ok(Vec::new());
    }
    Ok(files::check(config, rendered, environment).await?)
}

/// What a process of the homeserver would read, as a short text; `worker` is none for the main process.
pub(crate) fn revision_of(
    config: &Config,
    rendered: &Rendered,
    worker: Option<synapse::workers::Worker>,
) -> String {
    if config.is_dendrite() {
        dendrite::revision(&config.data, Some(&rendered.homeserver))
    } else {
        synapse::revision_of(rendered, worker)
    }
}

/// Whether Synapse can read all registrations of bridges: it does not start with one that it cannot.
pub(crate) async fn bridges_are_read(config: &Config) -> Result<(), Failure> {
    if config.is_dendrite() {
        return Ok(());
    }
    bridges_are_read_by(config, &environment(config)).await
}

/// The same of a Synapse that may not be in use yet.
pub(crate) async fn bridges_are_read_by(
    config: &Config,
    environment: &Environment,
) -> Result<(), Failure> {
    let there = bridges::all(&config.data)?;
    let texts: Vec<(String, String)> = there
        .iter()
        .filter_map(bridges::Found::whole)
        .map(|(bridge, registration)| (bridge.name.clone(), registration.text().to_owned()))
        .collect();
    let server = config.server.name.to_string();
    let verdicts = synapse::appservice::judge(environment, &server, &texts).await?;
    for ((name, _), verdict) in texts.into_iter().zip(verdicts) {
        if let Some(why) = verdict {
            return Err(bridges::Error::Unread { name, why }.into());
        }
    }
    Ok(())
}

/// Renders and lets those judge it who will read it; what is in place stays. What should be known although
/// all is good.
pub(crate) async fn check(config: &Config) -> Result<Vec<String>, Failure> {
    if !config.is_dendrite() {
        s3::is_installed(config, &environment(config))?;
    }
    prepare_homeserver(config)?;
    let rendered = render(config)?;
    let warnings = judge(config, &rendered, &environment(config)).await?;
    proxy::check(config, &rendered.homeserver).await?;
    Ok(warnings)
}

/// Renders, lets those judge it who will read it, Synapse and nginx, and puts it in place if it is
/// good; true if that changed something. A bad one leaves the old file as it is.
pub(crate) async fn refresh(config: &Config) -> Result<bool, Failure> {
    let rendered = judged(config).await?;
    let proxy = proxy::refresh(config, &rendered.homeserver).await?;
    Ok(put(config, &rendered)? || proxy)
}

/// Puts Synapse's files in place, with the password it connects by: what runs connects again with that, so
/// that it is written here, and not before. True if the files changed.
pub(crate) fn put(config: &Config, rendered: &Rendered) -> Result<bool, Failure> {
    postgres::write_passfile(config)?;
    Ok(if config.is_dendrite() {
        dendrite::write(&config.data, &rendered.homeserver)?
    } else {
        files::write(&config.data, rendered)?
    })
}

/// What nginx reads, brought up to date while everything runs: a certificate that was renewed, or a
/// setting of the proxy alone. Where Synapse reads something else than the settings say it waits with
/// Synapse for a restart.
pub(crate) async fn refresh_proxy(config: &Config) -> Result<bool, Failure> {
    if !config.has(Part::Proxy) {
        return Ok(false);
    }
    let rendered = render(config)?;
    if !is_current(config, &rendered)? {
        return Ok(false);
    }
    tls::ensure(config, clock::now())?;
    let relay = turn::write(config)?;
    Ok(proxy::refresh(config, &rendered.homeserver).await? || relay)
}

/// Synapse's files as they would be written, found good by Synapse.
pub(crate) async fn judged(config: &Config) -> Result<Rendered, Failure> {
    if !config.is_dendrite() {
        s3::is_installed(config, &environment(config))?;
    }
    prepare(config)?;
    bridges_are_read(config).await?;
    let rendered = render(config)?;
    judge(config, &rendered, &environment(config)).await?;
    Ok(rendered)
}
