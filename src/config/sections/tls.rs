//! Encryption towards clients and other servers: whose certificate.

use std::{fmt, path::PathBuf};

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::config::values::{setting::section, shape::Shape};

section! {
    /// Encryption towards clients and other servers.
    Tls "tls" {
        /// Certificate that the proxy presents to clients and other servers: a PEM file with its intermediates, or `own` for one issued by a CA of this homeserver. Without it nothing is encrypted.
        certificate: Option<Certificate> = "" ["MATRIX_SYNAPSE_TLS_CERTIFICATE"];
        /// PEM file of that certificate's private key; not needed with `own`.
        key: Option<PathBuf> = "" ["MATRIX_SYNAPSE_TLS_KEY"];
    }
}

/// Where the certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Certificate {
    /// Made by us, and signed by a CA that we made.
    Own,
    /// The operator's.
    File(PathBuf),
}

const OWN: &str = "own";

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => f.write_str(OWN),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl Serialize for Certificate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Shape for Certificate {
    fn read(value: &Value) -> Result<Self, String> {
        if value == OWN {
            return Ok(Self::Own);
        }
        PathBuf::read(value)
            .map(Self::File)
            .map_err(|_| "must be `own` or the absolute path of a PEM file".into())
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^(own|/.*)$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_our_own_or_a_file() {
        let read = |text: &str| Option::<Certificate>::read(&text.into());
        assert_eq!(read("").unwrap(), None);
        assert_eq!(read("own").unwrap(), Some(Certificate::Own));
        assert_eq!(read("/a.pem").unwrap(), Some(Certificate::File("/a.pem".into())));
        assert!(read("a.pem").unwrap_err().contains("`own` or the absolute path"));
    }
}
