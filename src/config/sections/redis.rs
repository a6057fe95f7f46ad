//! Which Redis: through it Synapse's processes tell each other what is new.

use super::database::Password;
use crate::config::{
    Config,
    values::{
        setting::section,
        shape::{Port, words},
    },
};

words! {
    /// Which Redis server is used.
    Kind {
        /// A shared one where a host is configured or provided, else our own.
        Auto = "auto",
        Shared = "shared",
        Own = "own",
    }
}

section! {
    /// Which Redis, where the profile has one.
    Redis "redis" {
        /// `shared` (an existing server), `own` (one managed by this program, on a unix socket), or `auto`: shared if a host is known, else own.
        kind: Kind = "auto" ["MATRIX_SYNAPSE_REDIS"];
        /// Host of the shared Redis.
        host: Option<String> = "" ["MATRIX_SYNAPSE_REDIS_HOST", "REDIS_HOST"];
        /// Port of the shared Redis.
        port: Port = "6380" ["MATRIX_SYNAPSE_REDIS_PORT", "REDIS_PORT"];
        /// Password of the shared Redis, if it has one.
        #[secret] password: Option<Password> = "" ["MATRIX_SYNAPSE_REDIS_PASSWORD", "REDIS_PASSWORD"];
    }
}

impl Config {
    /// Host and port of the shared Redis; none where ours is used.
    pub(crate) fn shared_redis(&self) -> Option<(&str, u16)> {
        let host = self.redis.host.as_deref();
        match self.redis.kind {
            Kind::Own => None,
            Kind::Auto => Some((host?, self.redis.port.0)),
            Kind::Shared => Some((host.unwrap_or("127.0.0.1"), self.redis.port.0)),
        }
    }
}
