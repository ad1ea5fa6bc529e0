//! What counts as one address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address itself; of IPv6 the /64, which is the least that a subscriber gets (RFC 6177 §2), so that
/// nobody has 2^64 budgets. An IPv4 address written as IPv6 is the IPv4 address.
pub(super) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

/// The neighbourhood of an address: its IPv4 /24, or its IPv6 /48, which is what one customer commonly holds.
pub(super) fn subnet_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 80 << 80)),
        IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() >> 8 << 8)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_subscriber_is_one_network() {
        for (address, network) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2:ffff::", "2001:db8:1:2::"),
            ("2001:db8:1:3::", "2001:db8:1:3::"),
            ("::1", "::"),
        ] {
            assert_eq!(network_of(address.parse().unwrap()), network.parse::<IpAddr>().unwrap(), "{address}");
        }
    }

    #[test]
    fn neighbours_are_one_subnet() {
        for (address, subnet) in [
            ("192.0.2.1", "192.0.2.0"),
            ("::ffff:192.0.2.255", "192.0.2.0"),
            ("192.0.3.0", "192.0.3.0"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
            ("2001:db8:1:ffff::", "2001:db8:1::"),
            ("2001:db8:2::1", "2001:db8:2::"),
        ] {
            assert_eq!(subnet_of(address.parse().unwrap()), subnet.parse::<IpAddr>().unwrap(), "{address}");
        }
    }
}
