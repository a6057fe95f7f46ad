//! Which PostgreSQL, and as whom.

use serde::Serialize;
use serde_json::Value;

use crate::{
    config::values::{
        setting::section,
        shape::{Identifier, Port, Shape, words},
    },
    secret::Secret,
};

/// A password that somebody else chose, so that we have no say in its length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Password(pub(crate) Secret);

impl Shape for Password {
    fn read(value: &Value) -> Result<Self, String> {
        let text = String::read(value)?;
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err("must not be empty or contain control characters".into());
        }
        // What SCRAM has no form for, most programs cannot log in with.
        if stringprep::saslprep(&text).is_err() {
            return Err("must not contain characters newer than Unicode 3.2, such as emoji".into());
        }
        Ok(Self(Secret::new(text)))
    }

    fn schema() -> Value {
        serde_json::json!({ "type": "string", "minLength": 1, "writeOnly": true })
    }
}

words! {
    /// Which PostgreSQL server is used.
    Kind {
        /// A shared one where a host is configured or provided, else our own.
        Auto = "auto",
        Shared = "shared",
        Embedded = "embedded",
    }
}

words! {
    /// Whether the connection is encrypted (libpq's `sslmode`).
    Tls {
        Disable = "disable",
        Prefer = "prefer",
        Require = "require",
        VerifyFull = "verify-full",
    }
}

section! {
    /// Which PostgreSQL, and as whom.
    Database "database" {
        /// `shared` (an existing server), `embedded` (one managed by this program in the data folder), or `auto`: shared if a host is known, else embedded.
        kind: Kind = "auto" ["MATRIX_SYNAPSE_DATABASE"];
        /// Host of the shared PostgreSQL server.
        host: Option<String> = "" ["SYNAPSE_DB_HOST", "MATRIX_POSTGRES_HOST"];
        /// Port of the shared PostgreSQL server.
        port: Port = "5433" ["SYNAPSE_DB_PORT", "MATRIX_POSTGRES_PORT"];
        /// Port of the embedded PostgreSQL server, on loopback. The default is not registered with IANA and lies outside the range of Vrooli's PostgreSQL instances, 5433 to 5499.
        embedded_port: Port = "5542" ["MATRIX_SYNAPSE_EMBEDDED_DB_PORT"];
        /// Name of the database; created if it does not exist.
        name: Identifier = "synapse" ["SYNAPSE_DB_NAME", "MATRIX_POSTGRES_DB"];
        /// Role that owns the database; created if it does not exist.
        user: Identifier = "synapse" ["SYNAPSE_DB_USER", "MATRIX_POSTGRES_USER"];
        /// Password of that role; generated if it is not set.
        #[secret] password: Option<Password> = "" ["SYNAPSE_DB_PASSWORD", "MATRIX_POSTGRES_PASSWORD"];
        /// Superuser who creates the role and the database on a shared server.
        admin_user: Identifier = "vrooli" ["MATRIX_SYNAPSE_DB_ADMIN_USER", "POSTGRES_USER"];
        /// Password of that superuser.
        #[secret] admin_password: Option<Password> = "" ["MATRIX_SYNAPSE_DB_ADMIN_PASSWORD", "POSTGRES_PASSWORD"];
        /// Encryption of the connection to a shared server.
        tls: Tls = "prefer" ["MATRIX_SYNAPSE_DB_TLS"];
        /// Connections that a process keeps open.
        connections_min: u32 = "5" ["MATRIX_SYNAPSE_DB_CONNECTIONS_MIN"];
        /// Most connections that a process opens.
        connections_max: u32 = "10" ["MATRIX_SYNAPSE_DB_CONNECTIONS_MAX"];
    }
}
