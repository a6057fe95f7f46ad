//! The relay: chat for an application that keeps its own conversations.

use std::{net::IpAddr, path::PathBuf};

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::{
    config::{
        Config,
        values::{
            origin::Origin,
            range::Range,
            setting::section,
            shape::{HttpUrl, Localpart, Port, Shape, Size, Span, words},
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

/// Where the keys of tokens are.
#[derive(Clone, Debug)]
pub(crate) enum JwtKeys {
    File(PathBuf),
    Address(HttpUrl),
}

impl Shape for JwtKeys {
    fn read(value: &Value) -> Result<Self, String> {
        let wrong = "must be the address of a JWKS document, or the absolute path of one";
        match HttpUrl::read(value) {
            Ok(address) => Ok(Self::Address(address)),
            Err(_) => PathBuf::read(value).map(Self::File).map_err(|_| wrong.to_owned()),
        }
    }

    fn schema() -> Value {
        json!({ "anyOf": [HttpUrl::schema(), PathBuf::schema()] })
    }
}

impl Serialize for JwtKeys {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::File(path) => path.serialize(serializer),
            Self::Address(address) => address.serialize(serializer),
        }
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
        /// URL of the homeserver, for a relay on another machine; without it that is the one here.
        homeserver: Option<HttpUrl> = "" ["MATRIX_SYNAPSE_RELAY_HOMESERVER"];
        /// What becomes of what people say in a conversation who are no users of the application: `map` makes them users of it, `refuse` leaves out what they say.
        strangers: Strangers = "map" ["MATRIX_SYNAPSE_RELAY_STRANGERS"];
        /// Who gives tokens to users of the application: a request may bear a JWT of this issuer in the place of a key. It is the claim `iss` exactly.
        jwt_issuer: Option<String> = "" ["MATRIX_SYNAPSE_RELAY_JWT_ISSUER"];
        /// What the claim `aud` of such a token must name; without it any will do.
        jwt_audience: Option<String> = "" ["MATRIX_SYNAPSE_RELAY_JWT_AUDIENCE"];
        /// The keys that sign such tokens: the address of a JWKS document, or the path of a file with one.
        jwt_keys: Option<JwtKeys> = "" ["MATRIX_SYNAPSE_RELAY_JWT_KEYS"];
        /// Requests that each user with a token may make in a second, and ten times as many at once; 0 for any number.
        rate: u32 = "50" ["MATRIX_SYNAPSE_RELAY_RATE"];
        /// The same of each key of the application.
        key_rate: u32 = "1000" ["MATRIX_SYNAPSE_RELAY_KEY_RATE"];
        /// How long what has happened can be read again by position, and a repeat of an edit is known as one. Messages are kept for good.
        keep_events: Span = "30d" ["MATRIX_SYNAPSE_RELAY_KEEP_EVENTS"];
        /// Connections at once, each reader along is one; who comes after waits for one of them to end.
        connections: u32 = "16384" ["MATRIX_SYNAPSE_RELAY_CONNECTIONS"];
        /// Size of the largest request body.
        largest_body: Size = "128K" ["MATRIX_SYNAPSE_RELAY_LARGEST_BODY"];
        /// Size of the largest file that is sent, from an address or a body; no larger than `synapse.max_upload_size`.
        largest_file: Size = "10M" ["MATRIX_SYNAPSE_RELAY_LARGEST_FILE"];
        /// Addresses outside the public internet from which files may be fetched, such as 10.1.2.3 or 10.0.0.0/8: those of the application's own servers. All others stay closed, against server-side request forgery.
        fetch_from: Vec<Range> = "" ["MATRIX_SYNAPSE_RELAY_FETCH_FROM"];
        /// Origins whose pages may ask the relay from within a browser, such as `https://app.example`: those of the application. Pages of its own host may in any case; everybody needs a key or token.
        origins: Vec<Origin> = "" ["MATRIX_SYNAPSE_RELAY_ORIGINS"];
        /// Whether the front proxy, where the profile has one, passes on `/api/chat/` of the public address to the relay.
        public: bool = "false" ["MATRIX_SYNAPSE_RELAY_PUBLIC"];
    }
}

impl Config {
    /// How many bytes the largest file has that it sends.
    pub(crate) fn largest_of_relay(&self) -> usize {
        let largest = self.relay.largest_file.0.min(self.synapse.max_upload_size.0);
        usize::try_from(largest).unwrap_or(usize::MAX)
    }

    /// How many bytes the largest request has that it takes.
    pub(crate) fn largest_for_relay(&self) -> u64 {
        let file = self.relay.largest_file.0.min(self.synapse.max_upload_size.0);
        file.max(self.relay.largest_body.0)
    }

    /// Where it reaches the homeserver.
    pub(crate) fn homeserver_of_relay(&self) -> String {
        self.relay.homeserver.as_ref().map_or_else(|| self.local_url(), |url| url.0.clone())
    }

    /// Where it is reached from this machine.
    pub(crate) fn relay_url(&self) -> String {
        self.with_homeserver(self.relay.address, self.relay.port)
    }
}
