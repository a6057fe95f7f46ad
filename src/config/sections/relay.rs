//! The relay: chat for an application that keeps its own conversations.

use std::net::IpAddr;

use super::proxy::url_here;
use crate::{
    config::{
        Config,
        values::{
            range::Range,
            setting::section,
            shape::{Localpart, Port, Size, words},
        },
    },
    secret::Secret,
};

words! {
    /// What becomes of what people say who are no users of the application.
    Strangers {
        /// They become users of it, with an id made of their Matrix id.
        Map = "map",
        Refuse = "refuse",
    }
}

section! {
    /// The relay: chat for an application that keeps its own conversations in PostgreSQL.
    Relay "relay" {
        /// Address of the relay's HTTP listener. It runs where the profile has the part `relay`.
        address: IpAddr = "127.0.0.1" ["MATRIX_SYNAPSE_RELAY_ADDRESS"];
        /// Port of the relay's HTTP listener; the homeserver sends it events there too.
        port: Port = "8486" ["MATRIX_SYNAPSE_RELAY_PORT"];
        /// What the Matrix ids of the application's users begin with: `@PREFIX-<uuid without dashes>:SERVER`. Nobody else can have such an id.
        prefix: Localpart = "app" ["MATRIX_SYNAPSE_RELAY_PREFIX"];
        /// Localpart of the account that makes rooms and invites.
        service_user: Localpart = "relay-service" ["MATRIX_SYNAPSE_RELAY_SERVICE_USER"];
        /// Whether what the application says goes to Matrix as well. What was said meanwhile is not sent later.
        matrix: bool = "true" ["MATRIX_SYNAPSE_RELAY_MATRIX", "MATRIX_ENABLED"];
        /// Address of the application's own database, `postgres://…`: the relay keeps its schema `relay` there, and the application may post messages within its own transactions. Without it the relay has a database of its own beside the homeserver's.
        #[secret] database_url: Option<Secret> = "" ["MATRIX_SYNAPSE_RELAY_DATABASE_URL"];
        /// What becomes of what people say in a conversation who are no users of the application: `map` makes them users of it, `refuse` leaves out what they say.
        strangers: Strangers = "map" ["MATRIX_SYNAPSE_RELAY_STRANGERS"];
        /// Size of the largest request body.
        largest_body: Size = "128K" ["MATRIX_SYNAPSE_RELAY_LARGEST_BODY"];
        /// Size of the largest file that is sent, from an address or a body; no larger than `synapse.max_upload_size`.
        largest_file: Size = "10M" ["MATRIX_SYNAPSE_RELAY_LARGEST_FILE"];
        /// Addresses outside the public internet from which files may be fetched, such as 10.1.2.3 or 10.0.0.0/8: those of the application's own servers. All others stay closed, against server-side request forgery.
        fetch_from: Vec<Range> = "" ["MATRIX_SYNAPSE_RELAY_FETCH_FROM"];
    }
}

impl Config {
    /// How many bytes the largest file has that it sends.
    pub(crate) fn largest_of_relay(&self) -> usize {
        let largest = self.relay.largest_file.0.min(self.synapse.max_upload_size.0);
        usize::try_from(largest).unwrap_or(usize::MAX)
    }

    /// Where it is reached from this machine.
    pub(crate) fn relay_url(&self) -> String {
        url_here(self.relay.address, self.relay.port)
    }
}
