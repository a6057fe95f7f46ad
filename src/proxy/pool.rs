//! Processes that answer the same requests, and who of them gets which.

use serde::Serialize;

use crate::{
    config::{Config, values::shape::Words as _},
    synapse::workers::{
        Worker,
        endpoints::Endpoint,
        kind::Balance,
        routes::{self, Route},
    },
};

/// The main process, which answers what nobody else does.
pub(super) const MAIN: &str = "main";

#[derive(Debug, Serialize)]
pub(super) struct Pool {
    pub(super) name: String,
    /// As nginx writes them: `127.0.0.1:8008`, `unix:/…`.
    servers: Vec<String>,
    /// The variable of nginx by which one of several is picked; none: in turns.
    by: Option<&'static str>,
    /// The main process answers while none of them does.
    falls_back: bool,
}

/// One line of nginx's map from requests to pools.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    /// For method and path, without the quotes around it: `~^(?:GET|PUT) /_matrix/…`.
    request: String,
    pool: String,
}

/// Everybody who answers requests; the main process is the first.
pub(super) fn pools(config: &Config, workers: &[Worker]) -> Vec<Pool> {
    let local = config.local_url();
    let address = local.strip_prefix("http://").unwrap_or(&local).to_owned();
    let main = Pool { name: MAIN.to_owned(), servers: vec![address], by: None, falls_back: false };
    let more = routes::pools(workers).into_iter().map(|(kind, workers)| {
        let facts = kind.facts();
        let mut servers: Vec<String> =
            workers.iter().map(|worker| worker.place(config).to_string()).collect();
        // Those that are found by one name are told apart behind it.
        servers.dedup();
        Pool {
            name: kind.word().to_owned(),
            by: (servers.len() > 1).then(|| by(facts.balance)).flatten(),
            servers,
            falls_back: facts.falls_back,
        }
    });
    [main].into_iter().chain(more).collect()
}

fn by(balance: Balance) -> Option<&'static str> {
    match balance {
        Balance::User => Some("$user_key"),
        Balance::Room => Some("$room_key"),
        Balance::SourceIp => Some("$remote_addr"),
        Balance::Uri => Some("$uri_key"),
        Balance::None => None,
    }
}

/// Which requests go to workers.
pub(super) fn lines(endpoints: &[Endpoint], workers: &[Worker]) -> Vec<Line> {
    routes::table(endpoints, workers).into_iter().map(line).collect()
}

fn line(Route { methods, pattern, kind }: Route) -> Line {
    let methods =
        if methods.is_empty() { "[A-Z]+".to_owned() } else { format!("(?:{})", methods.join("|")) };
    let pattern = pattern.strip_prefix('^').unwrap_or(&pattern);
    // Within quotes nginx takes these two for itself.
    let pattern = pattern.replace('\\', r"\\").replace('"', "\\\"");
    Line { request: format!("~^{methods} {pattern}"), pool: kind.word().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synapse::workers::Kind;

    #[test]
    fn a_pattern_survives_the_quotes_around_it() {
        let route = Route {
            methods: vec!["GET".to_owned(), "PUT".to_owned()],
            pattern: r#"^/a\.b/["\d]$"#.to_owned(),
            kind: Kind::Generic,
        };
        assert_eq!(line(route).request, r#"~^(?:GET|PUT) /a\\.b/[\"\\d]$"#);
    }
}
