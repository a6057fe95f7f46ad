//! Which processes of Synapse there are beside the main one, where the profile has workers.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr},
};

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::config::{
    Config,
    values::{
        setting::section,
        shape::{Host, Percent, Port, Shape, Span, Words as _, words},
    },
};

words! {
    /// What a worker does; `synapse::workers` says what follows from it.
    #[derive(PartialOrd, Ord)]
    Kind {
        Generic = "generic",
        Synchrotron = "synchrotron",
        ClientReader = "client_reader",
        EventCreator = "event_creator",
        EventPersister = "event_persister",
        Receipts = "receipts",
        DeviceLists = "device_lists",
        ThreadSubscriptions = "thread_subscriptions",
        Typing = "typing",
        ToDevice = "to_device",
        AccountData = "account_data",
        Presence = "presence",
        PushRules = "push_rules",
        Media = "media",
        Sso = "sso",
        UserDirectory = "user_directory",
        FederationReader = "federation_reader",
        FederationInbound = "federation_inbound",
        FederationSender = "federation_sender",
        Pusher = "pusher",
        Appservice = "appservice",
        Background = "background",
    }
}

words! {
    /// A set of workers by name.
    Preset {
        None = "none",
        Small = "small",
        OneOfEach = "one-of-each",
        ByLoad = "by-load",
    }
}

/// How many of each kind, listed by hand: `event_persister=2,synchrotron=2`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts(pub(crate) BTreeMap<Kind, u32>);

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (kind, count)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}={count}", kind.word())?;
        }
        Ok(())
    }
}

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Workers that run on other machines or in containers, each by its name with the address of its machine or the name
/// that it is reached by: `generic-2=10.0.0.2`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Elsewhere(pub(crate) BTreeMap<String, Host>);

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, address)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{name}={address}")?;
        }
        Ok(())
    }
}

impl Serialize for Elsewhere {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Shape for Elsewhere {
    fn read(value: &Value) -> Result<Self, String> {
        let mut places = BTreeMap::new();
        let mut add = |name: &str, address: &Value| {
            let address = Host::read(address)?;
            if matches!(address, Host::Address(it) if it.is_unspecified()) {
                return Err("must have the addresses of single machines".to_owned());
            }
            let name = name.trim().replace('_', "-");
            match places.insert(name.clone(), address) {
                Some(_) => Err(format!("must name `{name}` only once")),
                None => Ok(()),
            }
        };
        if let Value::Object(map) = value {
            map.iter().try_for_each(|(name, address)| add(name, address))?;
        } else {
            for item in Vec::<String>::read(value)? {
                let pair = item.split_once('=');
                let (name, address) = pair.ok_or("must be `NAME=ADDRESS` for each worker")?;
                add(name, &address.into())?;
            }
        }
        Ok(Self(places))
    }

    fn schema() -> Value {
        json!({ "type": ["string", "object"], "pattern": "^([a-z_-]+-[0-9]+=[0-9a-zA-Z.:-]+[, ]*)*$" })
    }
}

impl Shape for Counts {
    fn read(value: &Value) -> Result<Self, String> {
        let mut counts = BTreeMap::new();
        let mut add = |name: &str, count: &Value| {
            let kind = Kind::read(&name.trim().replace('-', "_").into())?;
            let count = u32::read(count)?;
            if counts.insert(kind, count).is_some() {
                return Err(format!("must name `{}` only once", kind.word()));
            }
            Ok(())
        };
        if let Value::Object(map) = value {
            map.iter().try_for_each(|(name, count)| add(name, count))?;
        } else {
            for item in Vec::<String>::read(value)? {
                let (name, count) = item.split_once('=').unwrap_or((&item, "1"));
                add(name, &count.into())?;
            }
        }
        Ok(Self(counts))
    }

    fn schema() -> Value {
        json!({ "type": ["string", "object"], "pattern": "^([a-z_-]+(=[0-9]+)?[, ]*)*$" })
    }
}

section! {
    /// Which processes of Synapse there are beside the main one, where the profile has workers.
    Workers "workers" {
        /// Set of workers: `none`, `small`, `one-of-each`, or `by-load`, which grows with the number of cores.
        preset: Preset = "small" ["MATRIX_SYNAPSE_WORKERS_PRESET"];
        /// Number of cores that `by-load`, the simulation and autoscaling count with. 0: the cores of this machine.
        cores: u32 = "0" ["MATRIX_SYNAPSE_WORKERS_CORES"];
        /// Workers listed by hand instead of a preset: `event_persister=2,synchrotron=2`.
        list: Counts = "" ["MATRIX_SYNAPSE_WORKERS"];
        /// Workers that run on other machines, each with the address of its machine: `generic-2=10.0.0.2`. `manage join-file` writes what these machines need.
        elsewhere: Elsewhere = "" ["MATRIX_SYNAPSE_WORKERS_ELSEWHERE"];
        /// Address of this machine for the workers in `elsewhere`; in containers, the name of the homeserver. The embedded PostgreSQL, the own Redis and Synapse's processes listen there too, unencrypted: it must be in a private network.
        address: Option<Host> = "" ["MATRIX_SYNAPSE_WORKERS_ADDRESS"];
        /// Port of the main process for other machines; each worker has a port above it that follows from its kind and number.
        port: Port = "9300" ["MATRIX_SYNAPSE_WORKERS_PORT"];
        /// Which workers of a homeserver on another machine run on this one. `manage start worker NAME --join FILE` writes it.
        here: Vec<String> = "" ["MATRIX_SYNAPSE_WORKERS_HERE"];
        /// Port of the first worker's Prometheus metrics, on loopback; each further worker has the next one. Only if the profile has metrics.
        metrics_port: Port = "8020" ["MATRIX_SYNAPSE_WORKERS_METRICS_PORT"];
        /// Add a worker when those of a kind are busy, and remove one when they are not. Only kinds that can change while the others run: those that answer requests and write no stream.
        autoscale: bool = "false" ["MATRIX_SYNAPSE_AUTOSCALE"];
        /// Fewest workers of a kind that autoscaling leaves.
        autoscale_min: u32 = "1" ["MATRIX_SYNAPSE_AUTOSCALE_MIN"];
        /// Most workers of a kind that autoscaling starts; never more than the cores and the database's connections allow.
        autoscale_max: u32 = "4" ["MATRIX_SYNAPSE_AUTOSCALE_MAX"];
        /// CPU use of the workers of a kind, in percent of a core each, above which one is added.
        autoscale_cpu_percent: Percent = "75" ["MATRIX_SYNAPSE_AUTOSCALE_CPU_PERCENT"];
        /// How long they must be that busy. After a change the next one waits as long again, and three times as long before a worker is removed.
        autoscale_window: Span = "5m" ["MATRIX_SYNAPSE_AUTOSCALE_WINDOW"];
    }
}

impl Config {
    /// Whether this homeserver has processes on several machines.
    pub(crate) fn is_apart(&self) -> bool {
        !self.workers.elsewhere.0.is_empty()
    }

    /// The address of this machine for those on others, where there are any; or the name of the homeserver among
    /// containers, where PostgreSQL is elsewhere in any case.
    pub(crate) fn network_address(&self) -> Option<&Host> {
        self.workers.address.as_ref().filter(|own| self.is_apart() || is_name(own))
    }

    /// Where Synapse's processes tell what they count: whoever collects it from containers is not in them.
    pub(crate) fn metrics_address(&self) -> IpAddr {
        let address = if self.is_named() { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST };
        address.into()
    }

    /// Whether processes find each other by name, each in a container with a network of its own.
    pub(crate) fn is_named(&self) -> bool {
        self.network_address().is_some_and(is_name)
    }
}

fn is_name(host: &Host) -> bool {
    matches!(host, Host::Name(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_from_a_text_and_from_yaml() {
        let text = Counts::read(&"event-persister=2, synchrotron=2 pusher".into()).unwrap();
        assert_eq!(text.to_string(), "synchrotron=2,event_persister=2,pusher=1");
        let yaml = json!({ "event_persister": 2, "synchrotron": 2, "pusher": 1 });
        assert_eq!(Counts::read(&yaml).unwrap(), text);
        assert!(Counts::read(&"".into()).unwrap().0.is_empty());
    }

    #[test]
    fn a_worker_elsewhere_has_the_address_of_its_machine() {
        let text = Elsewhere::read(&"generic-2=10.0.0.2, event_persister-1=::1".into()).unwrap();
        assert_eq!(text.to_string(), "event-persister-1=::1,generic-2=10.0.0.2");
        let yaml = json!({ "generic-2": "10.0.0.2", "event-persister-1": "::1" });
        assert_eq!(Elsewhere::read(&yaml).unwrap(), text);
        let refused = |text: &str| Elsewhere::read(&text.into()).unwrap_err();
        assert_eq!(refused("generic-2"), "must be `NAME=ADDRESS` for each worker");
        assert!(refused("generic-2=Host").starts_with("must be an IP address, or a DNS name"));
        assert!(refused("generic-2=10.0.0.300").starts_with("must be an IP address"));
        assert_eq!(refused("generic-2=0.0.0.0"), "must have the addresses of single machines");
        let twice = refused("generic-2=10.0.0.2,generic-2=10.0.0.3");
        assert_eq!(twice, "must name `generic-2` only once");
    }

    #[test]
    fn a_list_that_cannot_be_meant_is_refused() {
        let refused = |text: &str| Counts::read(&text.into()).unwrap_err();
        assert!(refused("event_persistor=2").starts_with("must be one of: generic synchrotron"));
        assert!(refused("pusher=many").starts_with("must be a whole number"));
        assert_eq!(refused("pusher=1,pusher=2"), "must name `pusher` only once");
    }
}
