//! Synapse's files as the settings want them now.

use crate::{
    config::Config,
    error::Failure,
    postgres::{self, ClientSettings},
    python::Environment,
    synapse::files::{self, DatabaseSettings, Rendered},
};

/// Renders the files; the database's password file is written along the way.
pub(crate) fn render(config: &Config) -> Result<Rendered, Failure> {
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
    Ok(files::render(config, &database, None)?)
}

/// The Synapse that is installed.
pub(crate) fn environment(config: &Config) -> Environment {
    Environment::at(config.data.synapse_environment())
}

/// Renders, lets the installed Synapse judge it, and puts it in place if it is good; true if that
/// changed something. A bad one leaves the old files as they are.
pub(crate) async fn refresh(config: &Config) -> Result<bool, Failure> {
    let rendered = render(config)?;
    files::check(config, &rendered, &environment(config)).await?;
    Ok(files::write(&config.data, &rendered)?)
}
