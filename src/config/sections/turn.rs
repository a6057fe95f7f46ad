//! The relay through which calls get past firewalls: ours (coturn), or one of the operator's own.

use std::net::IpAddr;

use crate::{
    config::{
        Config,
        values::{
            range::Range,
            setting::section,
            shape::{Lasting, Port, ServerName},
        },
    },
    secret::Secret,
};

section! {
    /// The relay through which calls get past firewalls: ours (coturn), or one of the operator's own.
    Turn "turn" {
        /// Run a TURN relay (coturn) beside the homeserver.
        enabled: bool = "false" ["MATRIX_SYNAPSE_TURN"];
        /// An existing TURN relay to use instead, as `turn:turn.example.org:3478?transport=udp`; it has to share `turn.secret`.
        uris: Vec<String> = "" ["MATRIX_SYNAPSE_TURN_URIS"];
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
            return turn.uris.clone();
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
}
