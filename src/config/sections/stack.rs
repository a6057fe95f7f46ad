//! Which services make up this homeserver.

use serde_json::{Value, json};

use crate::config::{
    Config,
    values::{setting::section, shape::Shape},
};

section! {
    /// Which services make up this homeserver.
    Stack "stack" {
        /// The set of services: core, isms, compliance, scale, relay, full, or a profile of your own. `worker` is the profile of a machine that runs workers of a homeserver elsewhere.
        profile: Profile = "core" ["MATRIX_SYNAPSE_PROFILE", "MATRIX_PROFILE"];
    }
}

/// A part of a homeserver: one service or several of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// PostgreSQL where it is our own, and Synapse's main process.
    Core,
    /// nginx: one address for clients, with discovery.
    Proxy,
    Redis,
    /// Processes of Synapse beside the main one.
    Workers,
    Metrics,
    /// Chat for an application that keeps its own conversations.
    Relay,
}

/// The parts by the words that profiles of the operator's own name them with.
pub(crate) const PARTS: &[(&str, Part)] = &[
    ("core", Part::Core),
    ("proxy", Part::Proxy),
    ("redis", Part::Redis),
    ("workers", Part::Workers),
    ("metrics", Part::Metrics),
    ("relay", Part::Relay),
];

/// The name of a set of services; `profiles` knows which these are.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub(crate) struct Profile(String);

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) parts: &'static [Part],
}

/// The profile of a machine that only has workers of a homeserver elsewhere.
pub(crate) const JOINED: &str = "worker";
/// Those of a container that only has the proxy of a homeserver elsewhere, without workers and with them.
pub(crate) const FRONT: [&str; 2] = ["front", "front-scale"];

pub(crate) const PROFILES: &[Named] = &[
    Named { name: "core", summary: "PostgreSQL and Synapse", parts: &[Part::Core] },
    Named {
        name: "isms",
        summary: "core, and a proxy with discovery and the web client, where one is set",
        parts: &[Part::Core, Part::Proxy],
    },
    Named {
        name: "compliance",
        summary: "isms, Redis and metrics",
        parts: &[Part::Core, Part::Proxy, Part::Redis, Part::Metrics],
    },
    Named {
        name: "scale",
        summary: "isms, Redis and workers",
        parts: &[Part::Core, Part::Proxy, Part::Redis, Part::Workers],
    },
    Named {
        name: "relay",
        summary: "core and the relay, chat for an application",
        parts: &[Part::Core, Part::Relay],
    },
    Named {
        name: JOINED,
        summary: "workers of a homeserver on another machine",
        parts: &[Part::Workers],
    },
    Named { name: FRONT[0], summary: "the proxy of a homeserver elsewhere", parts: &[Part::Proxy] },
    Named {
        name: FRONT[1],
        summary: "the proxy of a homeserver elsewhere that has workers",
        parts: &[Part::Proxy, Part::Workers],
    },
    Named {
        name: "full",
        summary: "everything",
        parts: &[Part::Core, Part::Proxy, Part::Redis, Part::Workers, Part::Metrics],
    },
];

/// Those that people choose.
pub(crate) fn typed() -> impl Iterator<Item = &'static Named> {
    PROFILES.iter().filter(|profile| profile.parts.contains(&Part::Core))
}

impl Profile {
    pub(crate) fn name(&self) -> &str {
        &self.0
    }
}

impl Shape for Profile {
    fn read(value: &Value) -> Result<Self, String> {
        String::read(value).map(Self)
    }

    fn schema() -> Value {
        let names: Vec<&str> = typed().map(|profile| profile.name).collect();
        json!({ "type": "string", "examples": names })
    }
}

impl Config {
    /// Whether this machine only has workers of a homeserver on another one.
    pub(crate) fn is_joined(&self) -> bool {
        !self.has(Part::Core)
    }

    /// Whether the profile has that part.
    pub(crate) fn has(&self, part: Part) -> bool {
        self.profile.parts.contains(&part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::sources::environment::Environment, data_dir::DataDir};

    #[test]
    fn a_profile_has_its_parts_and_an_unknown_one_is_refused() {
        let load = |name: &str| {
            let data = DataDir::new("/nowhere".into());
            Config::load(data, &[format!("stack.profile={name}")], &Environment::default())
        };
        assert!(!load("core").unwrap().has(Part::Workers));
        assert!(load("scale").unwrap().has(Part::Workers));
        let error = load("scael").unwrap_err().to_string();
        assert!(error.contains("must be one of: core isms compliance scale relay full"), "{error}");
    }
}
