//! What our own Synapse would refuse before it asks anybody, as its homeserver.yaml says: it looks like
//! a network that is broken, and is not.

use std::net::IpAddr;

use ruma::ServerName;
use serde::Deserialize;

use super::Step;
use crate::config::values::range::Range;

/// The keys of homeserver.yaml that decide it. Without the file nothing is refused.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Policy {
    #[serde(default)]
    federation_domain_whitelist: Option<Vec<String>>,
    #[serde(default)]
    ip_range_blacklist: Vec<String>,
    #[serde(default)]
    ip_range_whitelist: Vec<String>,
}

/// Why a server is not spoken to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Off,
    NotListed(String),
}

impl Policy {
    pub(crate) fn read(homeserver_yaml: &str) -> Self {
        serde_yaml::from_str(homeserver_yaml).unwrap_or_default()
    }

    pub(crate) fn refuses_server(&self, server: &ServerName) -> Option<Refusal> {
        let list = self.federation_domain_whitelist.as_ref()?;
        if list.is_empty() {
            Some(Refusal::Off)
        } else if list.iter().any(|listed| listed == server.as_str()) {
            None
        } else {
            Some(Refusal::NotListed(server.to_string()))
        }
    }

    /// The range for whose sake an address is not spoken to.
    pub(crate) fn blocks(&self, address: IpAddr) -> Option<&str> {
        let holds = |range: &&String| range.parse().is_ok_and(|it: Range| it.holds(address));
        if self.ip_range_whitelist.iter().any(|range| holds(&range)) {
            return None;
        }
        self.ip_range_blacklist.iter().find(holds).map(String::as_str)
    }
}

impl Refusal {
    pub(super) fn step(self) -> Step {
        match self {
            Self::Off => Step::bad(
                "settings",
                "federation is off, or private with nobody: our server speaks to no other, and no other to it",
                "`config set synapse.federation private` and `config set synapse.federation_servers LIST`, or `open`; then `manage restart`",
            ),
            Self::NotListed(server) => Step::bad(
                "settings",
                format!("our federation is private, and `{server}` is not in its list"),
                "add it with `config set synapse.federation_servers LIST`, then `manage restart`",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_homeserver_yaml_refuses_is_known() {
        let yaml = "server_name: x\nfederation_domain_whitelist: [a.example]\n\
                    ip_range_blacklist: &p ['127.0.0.0/8', '::1/128']\nother: *p\n\
                    ip_range_whitelist: [127.0.0.1]\n";
        let policy = Policy::read(yaml);
        let refuses = |name: &str| policy.refuses_server(name.try_into().unwrap());
        assert_eq!(refuses("a.example"), None);
        assert_eq!(refuses("b.example"), Some(Refusal::NotListed("b.example".into())));
        assert_eq!(policy.blocks("127.0.0.1".parse().unwrap()), None);
        assert_eq!(policy.blocks("127.0.0.2".parse().unwrap()), Some("127.0.0.0/8"));
        assert_eq!(policy.blocks("9.9.9.9".parse().unwrap()), None);
        let off = Policy::read("federation_domain_whitelist: []");
        assert_eq!(off.refuses_server("a.example".try_into().unwrap()), Some(Refusal::Off));
        assert_eq!(Policy::read("").refuses_server("a.example".try_into().unwrap()), None);
    }
}
