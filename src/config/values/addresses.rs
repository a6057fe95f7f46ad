//! Where a server listens.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Serialize;
use serde_json::{Value, json};

use super::shape::Shape;

/// The addresses that a server listens on, at least one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Addresses(pub(crate) Vec<IpAddr>);

impl Addresses {
    /// The one that a program on this machine uses, an IPv4 address rather than another.
    pub(crate) fn first(&self) -> IpAddr {
        let mut all = self.0.iter();
        let v4 = all.clone().find(|address| address.is_ipv4());
        v4.or_else(|| all.next()).copied().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }
}

impl Shape for Addresses {
    fn read(value: &Value) -> Result<Self, String> {
        let wrong = || {
            "must be one IP address or several, such as 127.0.0.1 or `127.0.0.1, ::1`".to_owned()
        };
        let mut addresses = Vec::new();
        for text in <Vec<String>>::read(value).map_err(|_| wrong())? {
            let text = if text == "localhost" { "127.0.0.1" } else { &text };
            let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
            let address = bare.unwrap_or(text).parse().map_err(|_| wrong())?;
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        // Whoever listens on `0.0.0.0` first cannot listen on `::` any more; Synapse minds only that order.
        addresses.sort_by_key(|address| *address != IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        if addresses.is_empty() { Err(wrong()) } else { Ok(Self(addresses)) }
    }

    fn schema() -> Value {
        json!({ "type": "array", "items": IpAddr::schema() })
    }
}
