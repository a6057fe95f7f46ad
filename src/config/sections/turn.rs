//! The relay through which calls get past firewalls: ours (coturn), or one of the operator's own.

use std::net::IpAddr;

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    config::{
        Config,
        values::{
            range::Range,
            setting::section,
            shape::{Lasting, Port, ServerName, Shape},
        },
    },
    secret::Secret,
};

/// The address of a relay: `turn:HOST:PORT?transport=udp` ([RFC 7065]).
///
/// [RFC 7065]: https://www.rfc-editor.org/rfc/rfc7065#section-3.1
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct TurnUri(String);

impl Shape for TurnUri {
    fn read(value: &Value) -> Result<Self, String> {
        let text = String::read(value)?;
        let is_right = || {
            let (scheme, rest) = text.split_once(':')?;
            let (host, transport) = match rest.split_once('?') {
                Some((host, query)) => (host, Some(query.strip_prefix("transport=")?)),
                None => (rest, None),
            };
            let host = ServerName::read(&host.to_ascii_lowercase().into()).ok()?;
            let speaks = ["turn", "turns"].contains(&scheme)
                && transport.is_none_or(|it| ["udp", "tcp"].contains(&it));
            (speaks && host.0.port() != Some(0)).then_some(())
        };
        let said = "must be like `turn:turn.example.org:3478?transport=udp` or `turns:turn.example.org:5349?transport=tcp`";
        is_right().map(|()| Self(text.clone())).ok_or_else(|| said.to_owned())
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^turns?:[^/?]+(\\?transport=(udp|tcp))?$" })
    }
}

section! {
    /// The relay through which calls get past firewalls: ours (coturn), or one of the operator's own.
    Turn "turn" {
        /// Run a TURN relay (coturn) beside the homeserver.
        enabled: bool = "false" ["MATRIX_SYNAPSE_TURN"];
        /// An existing TURN relay to use instead, as `turn:turn.example.org:3478?transport=udp`; it has to share `turn.secret`.
        uris: Vec<TurnUri> = "" ["MATRIX_SYNAPSE_TURN_URIS"];
        /// Secret shared by the relay and Synapse; generated if it is not set.
        #[secret] secret: Option<Secret> = "" ["MATRIX_SYNAPSE_TURN_SECRET"];
        /// Address the relay listens on and relays from; for calls between networks one that all of them can reach.
        address: IpAddr = "127.0.0.1" ["MATRIX_SYNAPSE_TURN_ADDRESS"];
        /// Public address of this machine if it is behind a NAT.
        external_address: Option<IpAddr> = "" ["MATRIX_SYNAPSE_TURN_EXTERNAL_ADDRESS"];
        /// Host name that clients are given; default: the public address.
        host: Option<ServerName> = "" ["MATRIX_SYNAPSE_TURN_HOST"];
        /// Port of the relay, UDP and TCP.
        port: Port = "3478" ["MATRIX_SYNAPSE_TURN_PORT"];
        /// Port of the relay with TLS, used if `tls.certificate` is set.
        tls_port: Port = "5349" ["MATRIX_SYNAPSE_TURN_TLS_PORT"];
        /// First of the UDP ports that the relay uses for media.
        relay_port: Port = "49160" ["MATRIX_SYNAPSE_TURN_RELAY_PORT"];
        /// Number of those ports: two for each side of a relayed call.
        relay_ports: u32 = "100" ["MATRIX_SYNAPSE_TURN_RELAY_PORTS"];
        /// Addresses outside the public internet that may be called, such as 10.1.2.0/24. All others stay blocked, so that the relay opens no way into its network.
        allowed_peers: Vec<Range> = "" ["MATRIX_SYNAPSE_TURN_ALLOWED_PEERS"];
        /// How long the credentials given to a client are valid.
        lifetime: Lasting = "1h" ["MATRIX_SYNAPSE_TURN_LIFETIME"];
    }
}

impl Config {
    /// Whether there is a relay of our own.
    pub(crate) fn has_relay(&self) -> bool {
        self.turn.enabled && self.turn.uris.is_empty() && !self.is_joined()
    }

    /// What clients are told; empty where there is no relay.
    pub(crate) fn relay_uris(&self) -> Vec<String> {
        let turn = &self.turn;
        if !turn.uris.is_empty() || !turn.enabled {
            return turn.uris.iter().map(|uri| uri.0.clone()).collect();
        }
        let host = turn.host.as_ref().map_or_else(
            || match turn.external_address.unwrap_or(turn.address) {
                IpAddr::V4(address) => address.to_string(),
                IpAddr::V6(address) => format!("[{address}]"),
            },
            ToString::to_string,
        );
        let of = |transport: &str| format!("turn:{host}:{}?transport={transport}", turn.port);
        let mut uris = vec![of("udp"), of("tcp")];
        if self.tls.certificate.is_some() {
            uris.insert(0, format!("turns:{host}:{}?transport=tcp", turn.tls_port));
        }
        uris
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::sources::environment::Environment, data_dir::DataDir};

    #[test]
    fn clients_are_told_of_the_relay_that_there_is() {
        let uris = |flags: &[&str]| {
            let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
            let data = DataDir::new("/nowhere".into());
            Config::load(data, &flags, &Environment::default()).unwrap().relay_uris()
        };
        assert!(uris(&[]).is_empty());
        assert_eq!(
            uris(&["turn.enabled=true", "turn.external_address=203.0.113.7"]),
            ["turn:203.0.113.7:3478?transport=udp", "turn:203.0.113.7:3478?transport=tcp"]
        );
        let tls = ["turn.enabled=true", "turn.host=turn.example.org", "tls.certificate=own"];
        assert_eq!(uris(&tls)[0], "turns:turn.example.org:5349?transport=tcp");
        let given = ["turn.enabled=true", "turn.uris=turn:other.example:3478"];
        assert_eq!(uris(&given), ["turn:other.example:3478"]);
    }

    #[test]
    fn an_address_that_no_client_could_use_is_refused() {
        for right in [
            "turn:turn.example.org",
            "turn:turn.example.org:3478?transport=udp",
            "turns:turn.example.org:5349?transport=tcp",
            "turn:192.0.2.1:3478",
            "turns:[2001:db8::1]:5349?transport=tcp",
            "turn:Turn.example.org",
        ] {
            assert_eq!(TurnUri::read(&right.into()).unwrap().0, right);
        }
        for wrong in [
            "turn:turn.example.org/?transport=udp",
            "turn://turn.example.org:3478",
            "turn:turn.example.org:99999",
            "turn:turn.example.org:0",
            "turn:turn.example.org:",
            "turn:turn.example.org?transport=sctp",
            "turn:turn.example.org?udp",
            "turn:[2001:db8::1",
            "turn:2001:db8::1",
            "stun:stun.example.org:3478",
            "turn:user@turn.example.org",
            "https://turn.example.org",
            "turn.example.org:3478",
            "turn:",
        ] {
            let said = TurnUri::read(&wrong.into()).unwrap_err();
            assert!(said.starts_with("must be like `turn:turn.example.org"), "{wrong}: {said}");
        }
    }
}
