//! Whether the settings of the relay fit together: found before anything is started.

use std::time::Duration;

use super::{Error, database, tokens::Tokens};
use crate::config::{
    Config,
    sections::{relay::JwtKeys, stack::Part},
};

/// How long what has happened has to be kept at least.
const SHORTEST_MEMORY: Duration = Duration::from_hours(1);

/// What the relay would not start with.
pub(crate) fn check(config: &Config) -> Result<(), Error> {
    if !config.has(Part::Relay) {
        return Ok(());
    }
    database::given(config)?;
    if config.relay.keep_events.0 < SHORTEST_MEMORY {
        return Err(Error::Brief);
    }
    Tokens::of(&config.relay).map(drop)
}

/// Whether the names are those that its users and rooms have.
pub(crate) async fn same_names(config: &Config) -> Result<(), Error> {
    if config.has(Part::Relay) { database::same_names(config).await } else { Ok(()) }
}

/// What it starts with and somebody may miss.
pub(crate) fn doubtful(config: &Config) -> Vec<String> {
    if !config.has(Part::Relay) {
        return Vec::new();
    }
    let mut all = Vec::new();
    if config.relay.public && !config.has(Part::Proxy) {
        all.push(
            "`relay.public` is set, and the profile has no proxy that would pass anything on: a profile with both has \
             the parts `proxy` and `relay`"
                .to_owned(),
        );
    }
    if config.relay.largest_file.0 > config.synapse.max_upload_size.0 {
        all.push(
            "`relay.largest_file` is more than `synapse.max_upload_size`, which is what counts"
                .to_owned(),
        );
    }
    if let Some(JwtKeys::File(path)) = &config.relay.jwt_keys
        && let Err(error) = std::fs::File::open(path)
    {
        all.push(format!(
            "`{}` (`relay.jwt_keys`) cannot be read, so that every token is refused: {error}",
            path.display()
        ));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::sources::environment::Environment, data_dir::DataDir};

    fn config(flags: &[&str]) -> Config {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        Config::load(DataDir::new("/nowhere".into()), &flags, &Environment::default()).unwrap()
    }

    #[test]
    fn settings_that_do_not_fit_are_found_where_there_is_a_relay() {
        let wrong = ["relay.jwt_issuer=x", "relay.public=true", "relay.database_url=mysql://x"];
        assert!(check(&config(&wrong)).is_ok() && doubtful(&config(&wrong)).is_empty());
        let with = |flag: &str| config(&["stack.profile=relay", flag]);
        let said = |flag: &str| check(&with(flag)).unwrap_err().to_string();
        assert!(said("relay.jwt_issuer=x").contains("`relay.jwt_keys` is not"));
        assert!(said("relay.keep_events=30").contains("less than an hour"));
        assert!(said("relay.database_url=mysql://x").contains("is not the address"));
        assert!(doubtful(&with("relay.public=true"))[0].contains("no proxy"));
        assert!(
            doubtful(&with("relay.jwt_keys=/nowhere/jwks"))[0].contains("every token is refused")
        );
        assert!(doubtful(&with("relay.largest_file=1G"))[0].contains("which is what counts"));
        assert!(doubtful(&with("relay.public=false")).is_empty());
    }
}
