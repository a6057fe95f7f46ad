//! From a server name to addresses, by the rules of the spec ([resolving server names]).
//!
//! [resolving server names]: https://spec.matrix.org/latest/server-server-api/#resolving-server-names

use std::net::{IpAddr, SocketAddr};

use http::header;
use ruma::{OwnedServerName, ServerName};
use serde_json::Value;

use super::{Place, Step, View, dns, wire};
use crate::tls;

/// Where a server listens that says nothing else.
const USUAL_PORT: u16 = 8448;
/// As many as Synapse follows.
const REDIRECTS: usize = 5;
const WELL_KNOWN: &str = "well-known";
const SRV: &str = "srv";
const ADDRESS: &str = "address";

/// Where that server is; none where the way ends, and the steps say why.
pub(super) async fn find(
    server: &OwnedServerName,
    view: &View,
    steps: &mut Vec<Step>,
) -> Option<Place> {
    if server.port().is_some() || server.is_ip_literal() {
        let why = "the name has a port or is an address: neither well-known nor SRV is looked up";
        steps.push(Step::good(WELL_KNOWN, why));
        return direct(server, view, steps).await;
    }
    let Some(delegated) = well_known(server, view, steps).await else {
        return by_srv(server, view, steps).await;
    };
    if delegated.port().is_some() || delegated.is_ip_literal() {
        return direct(&delegated, view, steps).await;
    }
    by_srv(&delegated, view, steps).await
}

/// A name that says its port, or an address.
async fn direct(name: &ServerName, view: &View, steps: &mut Vec<Step>) -> Option<Place> {
    let port = name.port().unwrap_or(USUAL_PORT);
    let host = bare(name.host());
    let addresses = addresses(&host, port, view, steps).await?;
    Some(Place { host, header: name.to_string(), addresses })
}

async fn by_srv(name: &ServerName, view: &View, steps: &mut Vec<Step>) -> Option<Place> {
    let host = name.host();
    for (record, old) in [("_matrix-fed._tcp", false), ("_matrix._tcp", true)] {
        let asked = format!("{record}.{host}");
        let services = match dns::services(&asked, view.timeout).await {
            Ok(services) if services.is_empty() => continue,
            Ok(services) => services,
            Err(error) => {
                let why = format!("`{asked}` cannot be looked up: {error}");
                steps.push(Step::doubtful(SRV, why, "`/etc/resolv.conf` names the name servers"));
                break;
            }
        };
        let said: Vec<String> =
            services.iter().map(|it| format!("{}:{}", it.target, it.port)).collect();
        let said = format!("`{asked}` leads to {}", said.join(", "));
        steps.push(if old {
            Step::doubtful(SRV, said, "that record is of old: name it `_matrix-fed._tcp`")
        } else {
            Step::good(SRV, said)
        });
        let mut found = Vec::new();
        for service in services {
            found.extend(addresses(&service.target, service.port, view, steps).await?);
        }
        // The certificate is for the name that was asked for, not for where SRV leads.
        return Some(Place { host: host.to_owned(), header: host.to_owned(), addresses: found });
    }
    if steps.last().is_none_or(|step| step.step != SRV) {
        steps.push(Step::good(SRV, format!("none for `{host}`: port {USUAL_PORT} is used")));
    }
    let addresses = addresses(host, USUAL_PORT, view, steps).await?;
    Some(Place { host: host.to_owned(), header: host.to_owned(), addresses })
}

/// The addresses of a host, and whether our own server would speak to them.
async fn addresses(
    host: &str,
    port: u16,
    view: &View,
    steps: &mut Vec<Step>,
) -> Option<Vec<SocketAddr>> {
    let found = match dns::addresses(host, port, view.timeout).await {
        Ok(found) if !found.is_empty() => found,
        failed => {
            let why = failed.err().map_or("it has none".to_owned(), |error| error.to_string());
            let advice =
                "its name needs an A or AAAA record, or a line in `/etc/hosts` of each machine";
            steps.push(Step::bad(ADDRESS, format!("`{host}` has no address: {why}"), advice));
            let fallback = view.own.as_ref()?.fallback;
            let on = format!("our own server is looked at on this machine instead, at {fallback}");
            steps.push(Step::good(ADDRESS, on));
            return Some(vec![fallback]);
        }
    };
    for address in &found {
        steps.push(reached(host, address.ip(), view));
    }
    Some(found)
}

fn reached(host: &str, address: IpAddr, view: &View) -> Step {
    let Some(range) = view.policy.blocks(address) else {
        return Step::good(ADDRESS, format!("`{host}` is {address}"));
    };
    if view.own.is_some() {
        return Step::doubtful(
            ADDRESS,
            format!("`{host}` is {address}, in {range}: not of the public internet"),
            "only servers that allow that range (`synapse.ip_range_whitelist`) speak to it",
        );
    }
    Step::bad(
        ADDRESS,
        format!(
            "`{host}` is {address}, in {range}, to which our server does not speak (its log calls that a DNS lookup that failed)"
        ),
        format!("`config set synapse.ip_range_whitelist {range}`, then `manage restart`"),
    )
}

/// Asks `https://host/.well-known/matrix/server`; the name it delegates to, where there is one. Every
/// failure means none, as Synapse sees it.
async fn well_known(
    server: &ServerName,
    view: &View,
    steps: &mut Vec<Step>,
) -> Option<OwnedServerName> {
    let mut url: http::Uri =
        format!("https://{}/.well-known/matrix/server", server.host()).parse().ok()?;
    for _ in 0..=REDIRECTS {
        let host = url.host()?.to_owned();
        let answer = match ask(&url, &host, view).await {
            Ok(answer) => answer,
            Err(why) => {
                steps.push(Step::good(WELL_KNOWN, format!("{url}: {why}, which counts as none")));
                return None;
            }
        };
        if answer.status.is_redirection() {
            let next = answer.headers.get(header::LOCATION).and_then(|to| to.to_str().ok());
            let Some(next) = next.and_then(|to| absolute(to, &host)) else {
                let why = format!("{url}: it redirects to nowhere");
                steps.push(Step::bad(WELL_KNOWN, why, "remove the redirect"));
                return None;
            };
            steps.push(Step::good(WELL_KNOWN, format!("{url} redirects to {next}")));
            url = next;
            continue;
        }
        if let Err(why) = tls::roots::verify(&answer.chain, &host, &view.roots, view.now) {
            let why = format!("{url}: its certificate is not trusted: {why}");
            steps.push(Step::bad(
                WELL_KNOWN,
                why,
                "other servers pass over it: give that host a certificate for its name",
            ));
            return None;
        }
        let status = answer.status;
        if status != http::StatusCode::OK {
            steps.push(Step::good(WELL_KNOWN, format!("{url}: none (HTTP {status})")));
            return None;
        }
        return match delegate(&answer.body) {
            Ok(name) => {
                steps.push(Step::good(WELL_KNOWN, format!("{url} delegates to `{name}`")));
                Some(name)
            }
            Err(why) => {
                let advice = "it must be JSON such as {\"m.server\": \"matrix.example.org:443\"}";
                steps.push(Step::bad(WELL_KNOWN, format!("{url}: {why}"), advice));
                None
            }
        };
    }
    let why = format!("more than {REDIRECTS} redirects");
    steps.push(Step::bad(WELL_KNOWN, why, "let the first address answer by itself"));
    None
}

async fn ask(url: &http::Uri, host: &str, view: &View) -> Result<wire::Answer, String> {
    let host = bare(host);
    let port = url.port_u16().unwrap_or(443);
    let addresses = dns::addresses(&host, port, view.timeout);
    let addresses = addresses.await.map_err(|error| format!("no address ({error})"))?;
    let mut last = "no address".to_owned();
    for address in addresses {
        if let Some(range) = view.policy.blocks(address.ip()).filter(|_| view.own.is_none()) {
            last = format!("{address} lies in {range}, to which our server does not speak");
            continue;
        }
        let path = url.path_and_query().map_or("/", |path| path.as_str());
        let authority = url.authority().map_or(host.as_str(), |it| it.as_str());
        match wire::get(&host, authority, address, path, view.timeout).await {
            Ok(answer) => return Ok(answer),
            Err(why) => last = why,
        }
    }
    Err(last)
}

/// A `Location`, which may be a path only.
fn absolute(location: &str, host: &str) -> Option<http::Uri> {
    let whole = if location.starts_with('/') && !location.starts_with("//") {
        format!("https://{host}{location}")
    } else {
        location.to_owned()
    };
    whole.parse().ok().filter(|uri: &http::Uri| uri.scheme_str() == Some("https"))
}

fn delegate(body: &[u8]) -> Result<OwnedServerName, &'static str> {
    let document: Value = serde_json::from_slice(body).map_err(|_| "it is not JSON")?;
    let name = document["m.server"].as_str().ok_or("it has no `m.server`")?;
    OwnedServerName::try_from(name).map_err(|_| "its `m.server` is no server name")
}

/// An IPv6 address without its brackets.
fn bare(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_well_known_file_names_a_server_or_is_refused() {
        let read = |text: &str| delegate(text.as_bytes()).map(|name| name.to_string());
        assert_eq!(read(r#"{"m.server": "m.example.org:443"}"#).unwrap(), "m.example.org:443");
        assert_eq!(read("<html>").unwrap_err(), "it is not JSON");
        assert_eq!(read("{}").unwrap_err(), "it has no `m.server`");
        assert!(read(r#"{"m.server": "https://m.example.org"}"#).is_err());
    }

    #[test]
    fn a_redirect_stays_encrypted() {
        let to = |location: &str| absolute(location, "a.example").map(|uri| uri.to_string());
        assert_eq!(to("/x").unwrap(), "https://a.example/x");
        assert_eq!(to("https://b.example/y").unwrap(), "https://b.example/y");
        assert_eq!(to("http://b.example/y"), None);
    }
}
