//! Which addresses are of the public internet: only those are connected to for a file whose address somebody else
//! gives. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::values::range::Range;

/// What is not, by the [registry] of special addresses: an address and its bits.
///
/// [registry]: https://www.iana.org/assignments/iana-ipv4-special-registry
const V4: &[([u8; 4], u8)] = &[
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    // Multicast, reserved, broadcast.
    ([224, 0, 0, 0], 3),
];

/// The part of IPv6 that is given out; all else is loopback, local, multicast or nothing yet.
const GIVEN_OUT: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// What of it is none of the public internet: protocols, Teredo, documentation, 6to4.
const V6: &[(Ipv6Addr, u8)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];
/// In the last four bytes of these is an address of IPv4, to which a router leads ([RFC 6052]).
///
/// [RFC 6052]: https://www.rfc-editor.org/rfc/rfc6052
const NAT64: (Ipv6Addr, u8) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

fn holds_v4((first, bits): ([u8; 4], u8), address: Ipv4Addr) -> bool {
    let shift = 32 - u32::from(bits);
    u32::from_be_bytes(first) >> shift == address.to_bits() >> shift
}

fn holds_v6((first, bits): (Ipv6Addr, u8), address: Ipv6Addr) -> bool {
    let shift = 128 - u32::from(bits);
    first.to_bits() >> shift == address.to_bits() >> shift
}

/// Whom one speaks with there in the end.
fn meant(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if holds_v6(NAT64, v6) => {
            let [.., a, b, c, d] = v6.octets();
            Ipv4Addr::new(a, b, c, d).into()
        }
        other => other,
    }
}

/// Whether files may be fetched from there: it is public, or in one of the ranges that are allowed all the same.
pub(super) fn may_be_asked(address: IpAddr, allowed: &[Range]) -> bool {
    let address = meant(address);
    if allowed.iter().any(|range| range.holds(address)) {
        return true;
    }
    match address {
        IpAddr::V4(v4) => !V4.iter().any(|range| holds_v4(*range, v4)),
        IpAddr::V6(v6) => holds_v6(GIVEN_OUT, v6) && !V6.iter().any(|range| holds_v6(*range, v6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(address: &str, allowed: &[&str]) -> bool {
        let allowed: Vec<Range> = allowed.iter().map(|range| range.parse().unwrap()).collect();
        may_be_asked(address.parse().unwrap(), &allowed)
    }

    #[test]
    fn only_the_public_internet_is_asked() {
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "100.63.255.255",
            "100.128.0.0",
            "172.32.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
        ] {
            assert!(may(public, &[]), "{public}");
        }
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.1.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!may(private, &[]), "{private}");
        }
    }

    #[test]
    fn a_range_that_is_allowed_is_asked_by_each_of_its_ways() {
        for way in ["127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"] {
            assert!(may(way, &["127.0.0.0/8"]), "{way}");
        }
        assert!(!may("10.0.0.1", &["127.0.0.0/8"]) && !may("::1", &["127.0.0.0/8"]));
        assert!(may("fd00::1", &["fd00::/8"]));
    }
}
