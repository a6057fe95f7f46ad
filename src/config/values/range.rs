//! Ranges of addresses, as `ip_range_blacklist` and `ip_range_whitelist` of Synapse have them.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::shape::Shape;

/// `10.0.0.0/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    first: IpAddr,
    bits: u8,
}

impl Range {
    pub(crate) fn holds(&self, address: IpAddr) -> bool {
        // ::ffff:127.0.0.1 is 127.0.0.1 by another way.
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.bits);
                first.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.bits);
                first.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
            }
            _ => false,
        }
    }
}

impl Range {
    pub(crate) fn first(&self) -> IpAddr {
        self.first
    }

    /// `10.1.2.0-10.1.2.255`: the first and the last address.
    pub(crate) fn span(&self) -> String {
        let last: IpAddr = match self.first {
            IpAddr::V4(first) => {
                let rest = u32::MAX.checked_shr(u32::from(self.bits)).unwrap_or(0);
                Ipv4Addr::from_bits(first.to_bits() | rest).into()
            }
            IpAddr::V6(first) => {
                let rest = u128::MAX.checked_shr(u32::from(self.bits)).unwrap_or(0);
                Ipv6Addr::from_bits(first.to_bits() | rest).into()
            }
        };
        format!("{}-{last}", self.first)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

impl Serialize for Range {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl std::str::FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refusal = || "must be a range of addresses such as 10.0.0.0/8 or fd00::/8".to_owned();
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let first: IpAddr = address.parse().map_err(|_| refusal())?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).map_err(|_| refusal())?;
        if bits > most {
            return Err(refusal());
        }
        // Python's `ipaddress`, with which Synapse reads it, wants the first address of the range.
        let zero = Self { first, bits };
        let rest_is_zero = match first {
            IpAddr::V4(v4) => u32::from(bits) == 32 || v4.to_bits() << bits == 0,
            IpAddr::V6(v6) => u32::from(bits) == 128 || v6.to_bits() << bits == 0,
        };
        if rest_is_zero {
            Ok(zero)
        } else {
            Err("must begin with the first address of the range, as 10.0.0.0/8 does".to_owned())
        }
    }
}

impl Shape for Range {
    fn read(value: &Value) -> Result<Self, String> {
        String::read(value)?.parse()
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[0-9a-fA-F.:]+(/[0-9]{1,3})?$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_knows_what_lies_in_it() {
        let holds = |range: &str, address: &str| {
            range.parse::<Range>().unwrap().holds(address.parse().unwrap())
        };
        assert!(holds("127.0.0.0/8", "127.9.9.9"));
        assert!(!holds("127.0.0.0/8", "128.0.0.1"));
        assert!(holds("127.0.0.0/8", "::ffff:127.0.0.1"));
        assert!(holds("10.1.2.3", "10.1.2.3") && !holds("10.1.2.3", "10.1.2.4"));
        assert!(holds("::1/128", "::1") && !holds("::1/128", "::2"));
        assert!(holds("0.0.0.0/0", "9.9.9.9") && holds("::/0", "2001::1"));
        assert!(!holds("127.0.0.0/8", "::1"));
    }

    #[test]
    fn what_synapse_would_refuse_is_refused() {
        for text in ["10.0.0.1/8", "10.0.0.0/33", "here", "::1/129", "10.0.0.0/"] {
            text.parse::<Range>().unwrap_err();
        }
    }
}
