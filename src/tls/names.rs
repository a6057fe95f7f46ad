//! The names that a certificate of this homeserver is for.

use crate::config::Config;

/// The host that other servers look for where nothing delegates elsewhere: the server name without
/// its port.
pub(crate) fn of_server(config: &Config) -> String {
    bare(config.server.name.0.host())
}

/// The host that clients are told, where one is set.
pub(crate) fn public(config: &Config) -> Option<String> {
    let url = &config.server.public_url.as_ref()?.0;
    let uri: http::Uri = url.parse().ok()?;
    uri.host().map(bare)
}

/// Both, each once.
pub(crate) fn wanted(config: &Config) -> Vec<String> {
    let mut names = vec![of_server(config)];
    names.extend(public(config));
    names.dedup();
    names
}

/// An IPv6 address stands in brackets only where a port may follow.
fn bare(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').to_owned()
}

/// As a sentence has them.
pub(super) fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "no name".to_owned();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ")
}
