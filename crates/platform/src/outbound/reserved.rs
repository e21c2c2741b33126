//! Addresses that are not public, in every form in which they can be written.
//!
//! The lists are those of IANA's special-purpose address registries (RFC 6890 and its updates).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// What an address is reserved for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    /// Loopback: this machine.
    ThisMachine,
    /// A private network, shared address space or a unique local address.
    Private,
    /// Link-local, which holds the metadata services of clouds.
    LinkLocal,
    /// Multicast or broadcast.
    Many,
    /// Unspecified, documentation, benchmarks, or reserved for the future.
    Unusable,
}

impl Reserved {
    /// Returns the words for an error message, after "which is".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ThisMachine => "this machine",
            Self::Private => "a private address",
            Self::LinkLocal => "a link-local address",
            Self::Many => "a multicast or broadcast address",
            Self::Unusable => "an address reserved for special purposes",
        }
    }
}

const V4: [(&str, Reserved); 16] = [
    ("0.0.0.0/8", Reserved::Unusable),
    ("10.0.0.0/8", Reserved::Private),
    ("100.64.0.0/10", Reserved::Private),
    ("127.0.0.0/8", Reserved::ThisMachine),
    ("169.254.0.0/16", Reserved::LinkLocal),
    ("172.16.0.0/12", Reserved::Private),
    ("192.0.0.0/24", Reserved::Unusable),
    ("192.0.2.0/24", Reserved::Unusable),
    ("192.88.99.0/24", Reserved::Unusable),
    ("192.168.0.0/16", Reserved::Private),
    ("198.18.0.0/15", Reserved::Unusable),
    ("198.51.100.0/24", Reserved::Unusable),
    ("203.0.113.0/24", Reserved::Unusable),
    ("224.0.0.0/4", Reserved::Many),
    ("255.255.255.255/32", Reserved::Many),
    ("240.0.0.0/4", Reserved::Unusable),
];

const V6: [(&str, Reserved); 10] = [
    ("::/128", Reserved::Unusable),
    ("::1/128", Reserved::ThisMachine),
    ("100::/64", Reserved::Unusable),
    ("2001::/23", Reserved::Unusable),
    ("2001:db8::/32", Reserved::Unusable),
    ("3fff::/20", Reserved::Unusable),
    ("fc00::/7", Reserved::Private),
    ("fe80::/10", Reserved::LinkLocal),
    ("fec0::/10", Reserved::Private),
    ("ff00::/8", Reserved::Many),
];

/// IPv6 networks whose last 32 bits are an IPv4 address to which packets are forwarded.
const HOLDS_V4_LAST: [&str; 5] = ["::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48"];

/// Returns the reserved purpose of an address, including an IPv4 address embedded in an IPv6 one; `None` for a public one.
pub fn reserved(address: IpAddr) -> Option<Reserved> {
    match address {
        IpAddr::V4(address) => reserved_v4(address),
        IpAddr::V6(address) => reserved_v6(address),
    }
}

fn reserved_v4(address: Ipv4Addr) -> Option<Reserved> {
    let holds = |network: &str| network.parse::<Ipv4Net>().is_ok_and(|network| network.contains(&address));
    V4.into_iter().find(|(network, _)| holds(network)).map(|(_, reserved)| reserved)
}

fn reserved_v6(address: Ipv6Addr) -> Option<Reserved> {
    let holds = |network: &str| network.parse::<Ipv6Net>().is_ok_and(|network| network.contains(&address));
    let itself = V6.into_iter().find(|(network, _)| holds(network)).map(|(_, reserved)| reserved);
    itself.or_else(|| embedded_v4(address).and_then(reserved_v4))
}

/// Returns the IPv4 address that an IPv6 address carries: mapped, compatible, translated (NAT64), 6to4 or ISATAP.
pub fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = address.octets();
    let at = |first: usize| Ipv4Addr::new(octets[first], octets[first + 1], octets[first + 2], octets[first + 3]);
    let holds = |network: &str| network.parse::<Ipv6Net>().is_ok_and(|network| network.contains(&address));
    if HOLDS_V4_LAST.into_iter().any(holds) || octets[8..12] == [0, 0, 0x5e, 0xfe] || octets[8..12] == [2, 0, 0x5e, 0xfe] {
        return Some(at(12));
    }
    holds("2002::/16").then(|| at(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Reserved> {
        reserved(text.parse().unwrap())
    }

    #[test]
    fn every_network_of_the_lists_is_one() {
        assert!(V4.iter().all(|(network, _)| network.parse::<Ipv4Net>().is_ok()));
        assert!(V6.iter().all(|(network, _)| network.parse::<Ipv6Net>().is_ok()));
        assert!(HOLDS_V4_LAST.iter().all(|network| network.parse::<Ipv6Net>().is_ok()));
    }

    #[test]
    fn public_addresses_are_not_reserved() {
        for public in ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
        {
            assert_eq!(of(public), None, "{public}");
        }
    }

    #[test]
    fn reserved_addresses_are_recognised_in_every_form() {
        let wanted = [
            ("127.0.0.1", Reserved::ThisMachine),
            ("127.255.255.254", Reserved::ThisMachine),
            ("::1", Reserved::ThisMachine),
            ("0.0.0.0", Reserved::Unusable),
            ("0.1.2.3", Reserved::Unusable),
            ("10.0.3.7", Reserved::Private),
            ("172.31.255.255", Reserved::Private),
            ("192.168.1.1", Reserved::Private),
            ("100.64.0.1", Reserved::Private),
            ("169.254.169.254", Reserved::LinkLocal),
            ("fe80::1", Reserved::LinkLocal),
            ("fd00:ec2::254", Reserved::Private),
            ("224.0.0.1", Reserved::Many),
            ("255.255.255.255", Reserved::Many),
            ("ff02::1", Reserved::Many),
            ("192.0.2.1", Reserved::Unusable),
            ("2001:db8::1", Reserved::Unusable),
            ("::ffff:169.254.169.254", Reserved::LinkLocal),
            ("::ffff:0:10.0.0.1", Reserved::Private),
            ("::127.0.0.1", Reserved::ThisMachine),
            ("64:ff9b::7f00:1", Reserved::ThisMachine),
            ("64:ff9b:1::a00:1", Reserved::Private),
            ("2002:7f00:1::", Reserved::ThisMachine),
            ("2002:a9fe:a9fe::1", Reserved::LinkLocal),
            ("2606:4700::5efe:10.0.0.1", Reserved::Private),
        ];
        for (address, reserved) in wanted {
            assert_eq!(of(address), Some(reserved), "{address}");
        }
    }
}
