//! Webhooks: where they listen, and how much of them is taken.

use std::net::IpAddr;

use super::{proxy::url_here, stack::Part};
use crate::config::{
    Config,
    values::{
        setting::section,
        shape::{Port, Size},
    },
};

section! {
    /// Webhooks: where they listen, and how much of them is taken.
    Hooks "hooks" {
        /// The address that webhooks listen on, where there are any; the proxy reaches them there and serves them below `/hook/`.
        address: IpAddr = "127.0.0.1" ["MATRIX_SYNAPSE_HOOKS_ADDRESS"];
        /// Their port.
        port: Port = "8485" ["MATRIX_SYNAPSE_HOOKS_PORT"];
        /// How many messages a second one webhook takes for long.
        per_second: f64 = "10" ["MATRIX_SYNAPSE_HOOKS_PER_SECOND"];
        /// How many it takes at once before that counts.
        burst: u32 = "1000" ["MATRIX_SYNAPSE_HOOKS_BURST"];
        /// The largest request that is read.
        largest_body: Size = "128K" ["MATRIX_SYNAPSE_HOOKS_LARGEST_BODY"];
        /// How much may wait to be sent, of all webhooks together; what comes on top is refused with 503.
        queue: Size = "32M" ["MATRIX_SYNAPSE_HOOKS_QUEUE"];
    }
}

impl Config {
    /// Where they are reached from this machine.
    pub(crate) fn hooks_url(&self) -> String {
        url_here(self.hooks.address, self.hooks.port)
    }

    /// A webhook's address: through the proxy where there is one, else on this machine.
    pub(crate) fn hook_address(&self, id: &str) -> String {
        let base = if self.has(Part::Proxy) { self.public_url() } else { self.hooks_url() };
        format!("{base}/hook/{id}")
    }
}
