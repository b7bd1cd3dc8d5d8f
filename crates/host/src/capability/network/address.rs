//! Which addresses belong to everybody.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address is one of the public internet, after the special-purpose registries of IANA.
///
/// For IPv6 that is what lies in `2000::/3` without its special parts; so an IPv4 address inside an IPv6 one is never public.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public4(address),
        IpAddr::V6(address) => is_public6(address),
    }
}

#[expect(
    clippy::match_same_arms,
    reason = "each arm is an entry of a registry, with what it is for"
)]
fn is_public4(address: Ipv4Addr) -> bool {
    let [first, second, third, last] = address.octets();
    match (first, second, third) {
        // "This network", private, loopback; multicast, reserved, broadcast.
        (0 | 10 | 127 | 224..=255, ..) => false,
        // Shared between a provider and its customers.
        (100, 64..=127, _) => false,
        // Azure answers its virtual machines at this one address, which looks public.
        (168, 63, 129) => last != 16,
        // Link-local, with the metadata of most clouds; private.
        (169, 254, _) | (172, 16..=31, _) | (192, 168, _) => false,
        // Protocol assignments, documentation; relays of 6to4.
        (192, 0, 0 | 2) | (192, 88, 99) => false,
        // Benchmarks, documentation.
        (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113) => false,
        _ => true,
    }
}

#[expect(
    clippy::match_same_arms,
    reason = "each arm is an entry of a registry, with what it is for"
)]
fn is_public6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    match (first, second) {
        // Protocol assignments: Teredo, benchmarks and others; then documentation.
        (0x2001, 0..=0x01ff | 0x0db8) => false,
        // 6to4.
        (0x2002, _) => false,
        // Documentation.
        (0x3fff, 0..=0x0fff) => false,
        (first, _) => (0x2000..=0x3fff).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use ipnet::IpNet;
    use proptest::prelude::*;

    use super::*;

    /// Networks that are not public, as the registries write them.
    const SPECIAL: &[&str] = &[
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/3",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
        "4000::/2",
        "8000::/1",
    ];

    fn is_special(address: IpAddr) -> bool {
        let networks = SPECIAL
            .iter()
            .map(|text| text.parse::<IpNet>().expect("a network"));
        networks
            .into_iter()
            .any(|network| network.contains(&address))
    }

    #[test]
    fn addresses_of_machines_and_of_private_networks_are_not_public() {
        for text in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.31.255.255",
            "192.168.0.1",
            "198.19.0.1",
            "203.0.113.7",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::7f00:1",
            "64:ff9b:1::7f00:1",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text} is public");
        }
    }

    #[test]
    fn addresses_of_the_internet_are_public() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "168.63.129.17",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "223.255.255.255",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2606:4700:4700::1111",
            "3ffe::1",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text} is not public");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn an_address_is_public_exactly_when_no_registry_has_it(four: u32, six: u128) {
            // Half of all IPv6 addresses would be far from everything that is told apart.
            let near = (six >> 3) | (1 << 125);
            for address in [IpAddr::from(Ipv4Addr::from(four)), IpAddr::from(Ipv6Addr::from(six)), IpAddr::from(Ipv6Addr::from(near))] {
                prop_assert_eq!(is_public(address), !is_special(address), "{}", address);
            }
        }

        #[test]
        fn no_ipv4_address_becomes_public_inside_an_ipv6_one(four: u32) {
            let low = u128::from(four);
            for prefix in [0, 0xffff << 32, 0x0064_ff9b_u128 << 96, 0x0064_ff9b_0001_u128 << 80, 0x2001_u128 << 112] {
                prop_assert!(!is_public(IpAddr::from(Ipv6Addr::from(prefix | low))));
            }
            prop_assert!(!is_public(IpAddr::from(Ipv6Addr::from(0x2002_u128 << 112 | low << 80))));
        }

        #[test]
        fn both_ends_of_a_special_network_are_not_public(index in 0..SPECIAL.len()) {
            let network: IpNet = SPECIAL[index].parse().unwrap();
            prop_assert!(!is_public(network.network()));
            prop_assert!(!is_public(network.broadcast()));
        }
    }
}
