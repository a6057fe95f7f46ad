//! `daemon pod`: makes the folder of a pod ready for the service that it is to become, from what the cluster gives it.

use std::path::Path;

use tokio::time::Instant;

use crate::{
    commands::reply::{Nothing, Stream},
    config::{Config, exports},
    context::Context,
    data_dir::DataDir,
    error::Failure,
    files,
    instance::{
        install::{self, Options},
        lifecycle::wait,
        workers::join,
    },
    postgres, proxy, python, redis,
    reply::{Outcome, Stop},
    services,
    synapse::version,
    targets::kubernetes::{GIVEN, OVERRIDE, SECRETS, SETTINGS},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The service
    name: String,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Stream<Nothing>, Stop> {
    super::log_to_stderr();
    let data = context.data()?;
    data.create()?;
    take(&data, Path::new(GIVEN))?;
    let config = &context.config_now()?;
    let until = Instant::now() + config.supervision.start_timeout.0;
    match args.name.as_str() {
        services::POSTGRES => {
            let mut tell = |step: &postgres::Step| tracing::info!("{step}");
            postgres::ensure(config, until, &mut tell).await?;
            postgres::embedded::make_ready(config).await?;
        }
        services::REDIS => redis::write(config)?,
        services::SYNAPSE => {
            let options = Options { version: Some(version::wanted(config)), ..Options::default() };
            let mut tell = |step: &str| tracing::info!("{step}");
            let done =
                Box::pin(install::install(config, &context.environment, &options, &mut tell));
            done.await?.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        }
        services::BACKUPS => {}
        services::PROXY => {
            proxy::spools(&config.data, &std::env::temp_dir())?;
            lay(config).await?;
        }
        _ => {
            lay(config).await?;
            redis::ensure(config, until).await?;
            postgres::answers_by(config, until).await?;
            // It looks after the tables, so it comes first.
            wait::answers(&config.local_url(), config.server.kind.health(), until).await?;
        }
    }
    Ok(Stream::new(async |_, _| Ok(Outcome::Done)))
}

/// Copies settings and secrets into the folder, the secrets with a mode of their own.
fn take(data: &DataDir, given: &Path) -> Result<(), Failure> {
    let text = files::read(&given.join(SETTINGS).join("settings.yaml"))?;
    files::write_if_changed(&data.settings(), text.as_bytes(), files::PRIVATE)?;
    let mut overrides = Vec::new();
    for path in files::entries(&given.join(SECRETS))? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // What the cluster keeps beside them has two dots.
        if name.starts_with("..") || !path.is_file() {
            continue;
        }
        let text = files::read(&path)?;
        let to = match name.strip_prefix(OVERRIDE) {
            Some(name) => {
                overrides.push(name.to_owned());
                data.overrides().join(name)
            }
            None => data.secret(&name),
        };
        files::write_if_changed(&to, text.as_bytes(), files::PRIVATE)?;
    }
    for path in crate::synapse::own_files(data) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !overrides.contains(&name) {
            files::remove(&path)?;
        }
    }
    Ok(())
}

/// Packages from the image, and the files that are read there.
async fn lay(config: &Config) -> Result<(), Failure> {
    let data = &config.data;
    let version = version::wanted(config);
    files::private_folder(&data.environments())?;
    let log = data.logs().join("install.log");
    let set = version::packages(config, &version)?;
    python::plan(&data.environments(), &log, set, None).await?.apply(false).await?;
    exports::write(config, &config.local_url(), &version)?;
    join::complete(config).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_has_what_it_is_given_and_no_more() {
        let (folder, given) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let data = DataDir::new(folder.path().join("a"));
        data.create().unwrap();
        let put = |name: &str, text: &str| {
            let path = given.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            files::write_atomically(&path, text.as_bytes(), 0o644).unwrap();
        };
        put("settings/settings.yaml", "server: {}\n");
        put("secrets/signing.key", "ed25519 a_b c\n");
        put("secrets/homeserver.d.mail.yaml", "email: {}\n");
        put("secrets/..data/signing.key", "not this\n");
        take(&data, given.path()).unwrap();
        assert_eq!(files::read(&data.signing_key()).unwrap(), "ed25519 a_b c\n");
        let mail = data.overrides().join("mail.yaml");
        assert_eq!(files::read(&mail).unwrap(), "email: {}\n");
        std::fs::remove_file(given.path().join("secrets/homeserver.d.mail.yaml")).unwrap();
        take(&data, given.path()).unwrap();
        assert!(!mail.exists() && data.signing_key().exists());
    }
}
