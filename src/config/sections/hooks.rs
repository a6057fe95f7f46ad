//! Webhooks: where they listen, and how much of them is taken.

use std::net::IpAddr;

use super::stack::Part;
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
        /// Address of the webhook listener, which runs if there are webhooks. The proxy forwards `/hook/` to it.
        address: IpAddr = "127.0.0.1" ["MATRIX_SYNAPSE_HOOKS_ADDRESS"];
        /// Port of the webhook listener.
        port: Port = "8485" ["MATRIX_SYNAPSE_HOOKS_PORT"];
        /// Sustained rate of messages per webhook, per second.
        per_second: f64 = "10" ["MATRIX_SYNAPSE_HOOKS_PER_SECOND"];
        /// Messages a webhook may send at once before that rate applies.
        burst: u32 = "1000" ["MATRIX_SYNAPSE_HOOKS_BURST"];
        /// Size of the largest request body.
        largest_body: Size = "128K" ["MATRIX_SYNAPSE_HOOKS_LARGEST_BODY"];
        /// How much may wait to be sent, for all webhooks together; beyond that a request is refused with 503.
        queue: Size = "32M" ["MATRIX_SYNAPSE_HOOKS_QUEUE"];
    }
}

impl Config {
    /// Where they are reached from this machine.
    pub(crate) fn hooks_url(&self) -> String {
        self.with_homeserver(self.hooks.address, self.hooks.port)
    }

    /// A webhook's address: through the proxy where there is one and it is `proxied`, else on this machine,
    /// at `here`.
    pub(crate) fn hook_address(&self, id: &str, here: &str, proxied: bool) -> String {
        let public = (proxied && self.has(Part::Proxy)).then(|| self.public_url());
        format!("{}/hook/{id}", public.as_deref().unwrap_or(here))
    }
}
