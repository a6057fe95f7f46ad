//! One address of a server: whether it answers, with which certificate, as which program, with which
//! keys, and what time it has.

use std::net::SocketAddr;

use http::header;
use jiff::{Timestamp, fmt::rfc2822};
use ruma::ServerName;
use serde_json::Value;

use super::{Place, Step, Verdict, View, keys, wire};
use crate::tls::{self, chain::Facts};

/// Fewer days than these and it is time to say so.
const SOON: i64 = 14;
/// A difference of clocks that is worth a word, in seconds.
const APART: i64 = 30;

/// Asks what runs there; the step that says why there is no answer.
pub(super) async fn reach(
    place: &Place,
    address: SocketAddr,
    view: &View,
) -> Result<wire::Answer, Step> {
    get(place, address, "/_matrix/federation/v1/version", view).await.map_err(|why| {
        Step::bad(
            "connection",
            format!("{address}: {why}"),
            "something must listen there with TLS, and firewalls let it through",
        )
    })
}

async fn get(
    place: &Place,
    address: SocketAddr,
    path: &str,
    view: &View,
) -> Result<wire::Answer, String> {
    wire::get(&place.host, &place.header, address, path, view.timeout).await
}

/// Looks at the answer of an address, and asks it for its keys.
pub(super) async fn look(
    server: &ServerName,
    (place, address): (&Place, SocketAddr),
    answer: &wire::Answer,
    view: &View,
) -> Vec<Step> {
    let mut steps = vec![
        Step::good("connection", format!("{address} answers with TLS")),
        certificate(&place.host, address, answer, view),
    ];
    let version = version(address, answer);
    let is_matrix = version.verdict == Verdict::Good;
    steps.push(version);
    if is_matrix {
        steps.push(match get(place, address, "/_matrix/key/v2/server", view).await {
            Ok(answer) => {
                keys::judge(server.as_str(), &address.to_string(), &answer.body, view.now)
            }
            Err(why) => Step::bad("keys", format!("{address}: {why}"), "`logs` may tell why"),
        });
    }
    steps.extend(clock(address, answer, view.now));
    steps
}

fn certificate(host: &str, address: SocketAddr, answer: &wire::Answer, view: &View) -> Step {
    const STEP: &str = "certificate";
    let Some(facts) = answer.chain.first().and_then(|first| Facts::of(first)) else {
        return Step::bad(STEP, format!("{address}: it cannot be read"), "have a new one issued");
    };
    let days = facts.days_left(view.now);
    let said = format!("{address}: for {}, {days} days left", facts.names.join(", "));
    match tls::roots::verify(&answer.chain, host, &view.roots, view.now) {
        Ok(()) if days < SOON => Step::doubtful(STEP, said, "renew it in time"),
        Ok(()) => Step::good(STEP, said),
        Err(why) => {
            let ca = view.own.as_ref().and_then(|own| own.ca.as_ref()).filter(|own| {
                tls::roots::verify(&answer.chain, host, &own.roots, view.now).is_ok()
            });
            let said = format!("{said}; {why}");
            match ca {
                Some(ca) => Step::doubtful(
                    STEP,
                    said,
                    format!(
                        "it is signed by this homeserver's own CA: other servers trust it once they have `{}` in their list of CAs",
                        ca.file.display()
                    ),
                ),
                None if view.own.is_some() => Step::bad(
                    STEP,
                    said,
                    "`config set tls.certificate FILE` names one that others trust",
                ),
                None => Step::bad(
                    STEP,
                    said,
                    "its operator has to fix it; if you trust its CA, `config set synapse.federation_custom_ca_list FILE` makes this server trust it",
                ),
            }
        }
    }
}

fn version(address: SocketAddr, answer: &wire::Answer) -> Step {
    const STEP: &str = "version";
    let status = answer.status;
    if status.is_redirection() {
        let to = answer.headers.get(header::LOCATION).and_then(|to| to.to_str().ok());
        return Step::bad(
            STEP,
            format!("{address} redirects to {} (HTTP {status})", to.unwrap_or("nowhere")),
            "no server follows that: pass `/_matrix` on to the homeserver, or delegate with a well-known file",
        );
    }
    let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let Some(name) = document["server"]["name"].as_str().filter(|_| status.is_success()) else {
        return Step::bad(
            STEP,
            format!("{address}: what answers is no homeserver that federates (HTTP {status})"),
            "pass `/_matrix/federation` and `/_matrix/key` on to the homeserver, and switch its federation on",
        );
    };
    let version = document["server"]["version"].as_str().unwrap_or_default();
    Step::good(STEP, format!("{address}: {name} {version}").trim_end().to_owned())
}

/// How far its clock is from ours; nothing where it does not say.
fn clock(address: SocketAddr, answer: &wire::Answer, now: Timestamp) -> Option<Step> {
    let date = answer.headers.get(header::DATE)?.to_str().ok()?;
    let there = rfc2822::parse(date).ok()?.timestamp();
    let seconds = (there.as_second() - now.as_second()).abs();
    Some(if seconds < APART {
        Step::good("clock", format!("{address}: {seconds} s apart from ours"))
    } else {
        Step::doubtful(
            "clock",
            format!("{address}: {seconds} s apart from ours"),
            "keep the time of both machines with NTP: keys and certificates are judged by it",
        )
    })
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    fn answer(status: u16, headers: &[(header::HeaderName, &str)], body: &str) -> wire::Answer {
        let pairs = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap()));
        wire::Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: pairs.collect::<HeaderMap>(),
            body: body.as_bytes().to_vec(),
            chain: Vec::new(),
        }
    }

    #[test]
    fn a_version_is_a_homeservers_and_a_redirect_is_none() {
        let at: SocketAddr = "10.0.0.1:8448".parse().unwrap();
        let good = r#"{"server": {"name": "Synapse", "version": "1.163.2"}}"#;
        let step = version(at, &answer(200, &[], good));
        assert_eq!(
            (step.verdict, &*step.finding),
            (Verdict::Good, "10.0.0.1:8448: Synapse 1.163.2")
        );
        let moved = version(at, &answer(308, &[(header::LOCATION, "https://b/")], ""));
        assert!(moved.finding.contains("redirects to https://b/ (HTTP 308"), "{moved:?}");
        assert_eq!(version(at, &answer(404, &[], "{}")).verdict, Verdict::Bad);
    }

    #[test]
    fn clocks_that_differ_are_told() {
        let at: SocketAddr = "10.0.0.1:8448".parse().unwrap();
        let now: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
        let judge = |date: &str| clock(at, &answer(200, &[(header::DATE, date)], ""), now);
        assert_eq!(judge("Sat, 21 Nov 2026 08:00:05 GMT").unwrap().verdict, Verdict::Good);
        let apart = judge("Sat, 21 Nov 2026 07:00:00 GMT").unwrap();
        assert_eq!(apart.finding, "10.0.0.1:8448: 3600 s apart from ours");
        assert_eq!(judge("soon"), None);
    }
}
