//! Who this homeserver is and where it can be reached.

use crate::config::values::{
    setting::section,
    shape::{HttpUrl, Localpart, Port, ServerName},
};

section! {
    /// Who this homeserver is and where it can be reached.
    Server "server" {
        /// The part after the colon of every user id. It cannot be changed once there are users.
        name: ServerName = "vrooli.local" ["MATRIX_SYNAPSE_SERVER_NAME", "MATRIX_SERVER_NAME", "SYNAPSE_SERVER_NAME"];
        /// The port of the client and federation API.
        port: Port = "8008" ["MATRIX_SYNAPSE_PORT", "MATRIX_HTTP_PORT"];
        /// The address it listens on; anything but loopback makes it reachable from other machines.
        address: String = "127.0.0.1" ["MATRIX_SYNAPSE_ADDRESS"];
        /// The port of the Prometheus metrics, on loopback only.
        metrics_port: Port = "8009" ["MATRIX_SYNAPSE_METRICS_PORT", "MATRIX_METRICS_PORT"];
        /// The address clients use; by default that of our proxy where the profile has one, else the listener itself.
        public_url: Option<HttpUrl> = "" ["MATRIX_SYNAPSE_PUBLIC_URL", "MATRIX_SYNAPSE_PUBLIC_BASEURL"];
        /// Trust X-Forwarded-For of a proxy of your own on this machine; ours is trusted anyway. Without a proxy it lets clients choose their address.
        behind_proxy: bool = "false" ["MATRIX_SYNAPSE_BEHIND_PROXY"];
        /// The account this program acts with; it is a server admin without rate limits.
        operator: Localpart = "operator" ["MATRIX_SYNAPSE_OPERATOR"];
        /// Who to write to, shown to users: `mailto:` and an address.
        admin_contact: Option<String> = "" ["MATRIX_SYNAPSE_ADMIN_CONTACT"];
    }
}
