//! Which requests go to which workers: what the installed Synapse says that workers answer, dealt out
//! among those that there are.

use std::collections::BTreeMap;

use super::{Kind, Worker, endpoints::Endpoint};

/// Which kind a worker should be of that answers where a pattern holds one of these texts. The first
/// one counts. What none of them knows is left to the main process, which can answer everything:
/// [`unrouted`] names it.
const RULES: &[(&str, Kind)] = &[
    ("/_matrix/federation/v1/media/", Kind::Media),
    ("/_matrix/federation/v1/send/", Kind::FederationInbound),
    ("/_matrix/federation/", Kind::FederationReader),
    ("/_matrix/key/", Kind::FederationReader),
    // Only who writes a stream answers for it.
    ("/typing/", Kind::Typing),
    ("/receipt/", Kind::Receipts),
    ("/read_markers$", Kind::Receipts),
    ("/account_data/", Kind::AccountData),
    ("/tags", Kind::AccountData),
    ("/sendToDevice/", Kind::ToDevice),
    ("/presence/", Kind::Presence),
    ("pushrules/", Kind::PushRules),
    ("/io.element.msc4306/", Kind::ThreadSubscriptions),
    ("/io.element.msc4308/", Kind::ThreadSubscriptions),
    ("/devices", Kind::DeviceLists),
    ("/delete_devices$", Kind::DeviceLists),
    ("/keys/upload$", Kind::DeviceLists),
    ("/keys/device_signing/upload$", Kind::DeviceLists),
    ("/keys/signatures/upload$", Kind::DeviceLists),
    ("/sync$", Kind::Synchrotron),
    ("/events$", Kind::Synchrotron),
    ("/initialSync$", Kind::Synchrotron),
    ("/user_directory/search$", Kind::UserDirectory),
    ("/createRoom", Kind::EventCreator),
    ("/join/", Kind::EventCreator),
    ("/knock/", Kind::EventCreator),
    ("<membership_action>", Kind::EventCreator),
    ("/redact/", Kind::EventCreator),
    ("/send/", Kind::EventCreator),
    ("/state/", Kind::EventCreator),
    ("/profile/", Kind::EventCreator),
    ("/account/", Kind::ClientReader),
    ("/aliases$", Kind::ClientReader),
    // A ping makes the one that tells application services tell them again at once.
    ("/appservice/", Kind::Appservice),
    ("/capabilities$", Kind::ClientReader),
    ("/context/", Kind::ClientReader),
    ("/delayed_events", Kind::ClientReader),
    ("/directory/", Kind::ClientReader),
    ("/event/", Kind::ClientReader),
    ("/events/", Kind::ClientReader),
    ("/filter", Kind::ClientReader),
    ("/hierarchy$", Kind::ClientReader),
    ("/joined_members$", Kind::ClientReader),
    ("/joined_rooms$", Kind::ClientReader),
    ("/keys/changes$", Kind::ClientReader),
    ("/keys/claim$", Kind::ClientReader),
    ("/keys/query$", Kind::ClientReader),
    ("/login$", Kind::ClientReader),
    ("/members$", Kind::ClientReader),
    ("/messages$", Kind::ClientReader),
    ("/notifications$", Kind::ClientReader),
    ("/password_policy$", Kind::ClientReader),
    ("/publicRooms$", Kind::ClientReader),
    ("/register", Kind::ClientReader),
    ("/relations/", Kind::ClientReader),
    ("/room_keys/", Kind::ClientReader),
    ("/room_summary/", Kind::ClientReader),
    ("/search$", Kind::ClientReader),
    ("/state$", Kind::ClientReader),
    ("/summary", Kind::ClientReader),
    ("/threads$", Kind::ClientReader),
    ("/timestamp_to_event$", Kind::ClientReader),
    ("/turnServer$", Kind::ClientReader),
    ("/versions$", Kind::ClientReader),
];

/// What Synapse's list does not hold, because resources of their own answer there.
const MORE: &[(&str, Kind)] = &[
    ("^/_matrix/media/", Kind::Media),
    ("^/_matrix/client/v1/media/", Kind::Media),
    ("^/_matrix/client/(?:api/v1|r0|v3|unstable)/login/(?:sso/redirect|cas/ticket)", Kind::Sso),
    (
        "^/_synapse/client/(?:pick_idp|pick_username|new_user_consent|sso_register|oidc/callback|saml2/authn_response)(?:/|$)",
        Kind::Sso,
    ),
];

/// A request, and who answers it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// Empty means all.
    pub(crate) methods: Vec<String>,
    /// For the path as it was written, without a query; a regular expression of PCRE.
    pub(crate) pattern: String,
    pub(crate) kind: Kind,
}

/// The way of each request that does not go to the main process, for this set of workers.
pub(crate) fn table(endpoints: &[Endpoint], workers: &[Worker]) -> Vec<Route> {
    let more = MORE.iter().filter_map(|(pattern, wanted)| {
        let kind = answering(*wanted, workers)?;
        Some(Route { methods: Vec::new(), pattern: (*pattern).to_owned(), kind })
    });
    let listed = endpoints.iter().filter_map(|endpoint| {
        let wanted = wanted(endpoint)?;
        let kind = answering(wanted, workers)?;
        // Other workers only read what a stream holds; who writes it answers everything.
        let all = endpoint.all || (kind == wanted && is_writer(kind));
        let methods = if all { Vec::new() } else { endpoint.methods.clone() };
        Some(Route { methods, pattern: unnamed(&endpoint.pattern), kind })
    });
    more.chain(listed).collect()
}

/// The workers that requests are sent to, by their kind.
pub(crate) fn pools(workers: &[Worker]) -> BTreeMap<Kind, Vec<Worker>> {
    let mut pools: BTreeMap<Kind, Vec<Worker>> = BTreeMap::new();
    for worker in workers.iter().filter(|worker| worker.kind.facts().http) {
        pools.entry(worker.kind).or_default().push(*worker);
    }
    pools
}

/// Endpoints that a worker would answer and that no rule here knows: they stay with the main process.
pub(crate) fn unrouted(endpoints: &[Endpoint]) -> Vec<&str> {
    let unknown = endpoints.iter().filter(|endpoint| wanted(endpoint).is_none());
    unknown.map(|endpoint| endpoint.pattern.as_str()).collect()
}

fn wanted(endpoint: &Endpoint) -> Option<Kind> {
    let pattern = endpoint.pattern.replace('\\', "");
    if !pattern.starts_with("^/") {
        return None;
    }
    RULES.iter().find(|(text, _)| pattern.contains(text)).map(|(_, kind)| *kind)
}

/// The kind that answers where this one is wanted; none is the main process.
fn answering(wanted: Kind, workers: &[Worker]) -> Option<Kind> {
    let has = |kind: Kind| workers.iter().any(|worker| worker.kind == kind);
    if has(wanted) {
        return Some(wanted);
    }
    // Without a worker that writes a stream, the main process does.
    let only = is_writer(wanted) || !wanted.facts().falls_back;
    (!only && has(Kind::Generic)).then_some(Kind::Generic)
}

fn is_writer(kind: Kind) -> bool {
    !kind.facts().streams.is_empty()
}

/// The same without names for its groups: nginx would make variables of them.
fn unnamed(pattern: &str) -> String {
    let mut parts = pattern.split("(?P<");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str("(?:");
        plain.push_str(part.split_once('>').map_or(part, |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(pattern: &str, methods: &[&str], all: bool) -> Endpoint {
        let methods = methods.iter().map(|method| (*method).to_owned()).collect();
        Endpoint { pattern: pattern.to_owned(), methods, all }
    }

    fn workers(kinds: &[Kind]) -> Vec<Worker> {
        kinds.iter().map(|kind| Worker { kind: *kind, number: 1 }).collect()
    }

    const RULE: &str = "^/_matrix/client/(r0|v3)/(?P<path>pushrules/.*)$";
    const SEND: &str = "^/_matrix/client/(r0|v3)/rooms/(?P<room_id>[^/]*)/send/(?P<type>[^/]*)$";

    fn routed(endpoint: Endpoint, kinds: &[Kind]) -> Option<(Kind, Vec<String>)> {
        let mut table = table(&[endpoint], &workers(kinds));
        table.retain(|route| !route.pattern.contains("media") && route.kind != Kind::Sso);
        table.pop().map(|route| (route.kind, route.methods))
    }

    #[test]
    fn a_request_goes_to_its_kind_or_to_a_generic_worker_or_to_the_main_process() {
        let send = || endpoint(SEND, &["POST"], true);
        let all = Vec::new();
        let both = [Kind::Generic, Kind::EventCreator];
        assert_eq!(routed(send(), &both), Some((Kind::EventCreator, all.clone())));
        assert_eq!(routed(send(), &[Kind::Generic]), Some((Kind::Generic, all)));
        assert_eq!(routed(send(), &[Kind::Synchrotron]), None);
        // Sliding sync is where clients look for it, and waits like the other one.
        let sliding = r"^/_matrix/client/unstable/org\.matrix\.simplified_msc3575/sync$";
        let sliding = || endpoint(sliding, &["POST"], true);
        let kinds = [Kind::Generic, Kind::Synchrotron];
        assert_eq!(routed(sliding(), &kinds), Some((Kind::Synchrotron, Vec::new())));
    }

    #[test]
    fn what_writes_is_answered_only_by_who_writes() {
        let rule = || endpoint(RULE, &["GET"], false);
        assert_eq!(routed(rule(), &[Kind::Generic]), None);
        assert_eq!(routed(rule(), &[Kind::PushRules]), Some((Kind::PushRules, Vec::new())));
    }

    #[test]
    fn media_and_single_sign_on_go_to_their_worker_alone() {
        assert!(table(&[], &workers(&[Kind::Generic])).is_empty());
        assert_eq!(table(&[], &workers(&[Kind::Media])).len(), 2);
    }

    #[test]
    fn groups_lose_their_names_and_nothing_else() {
        assert_eq!(unnamed(SEND), "^/_matrix/client/(r0|v3)/rooms/(?:[^/]*)/send/(?:[^/]*)$");
        assert_eq!(unnamed("^/a(/(?P<b>c)?)?$"), "^/a(/(?:c)?)?$");
    }

    #[test]
    fn what_no_rule_knows_is_named() {
        let known = endpoint(SEND, &["POST"], true);
        let new = endpoint("^/_matrix/client/v4/somersaults$", &["GET"], true);
        assert_eq!(unrouted(&[known, new]), ["^/_matrix/client/v4/somersaults$"]);
    }
}
