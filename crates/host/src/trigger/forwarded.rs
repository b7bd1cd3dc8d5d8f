//! Who the client is, when a proxy that is believed speaks for it.

use std::net::IpAddr;

use http::HeaderMap;
use http::uri::Scheme;

/// A network: an address and how many of its bits count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) if bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                (address, Some(bits))
            }
            Some(_) => return None,
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(most), |bits| bits.parse().ok())?;
        (bits <= most).then_some(Self { address, bits })
    }

    fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differs = u32::from(network) ^ u32::from(address);
                differs.checked_shr(32 - u32::from(self.bits)).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differs = u128::from(network) ^ u128::from(address);
                differs.checked_shr(128 - u32::from(self.bits)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// The networks whose `x-forwarded-*` headers are believed.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxies(Vec<Network>);

impl Proxies {
    /// Reads addresses and networks (CIDR), or gives back the one that is neither.
    pub(super) fn parse(texts: &[String]) -> Result<Self, String> {
        let network = |text: &String| Network::parse(text.trim()).ok_or_else(|| text.clone());
        texts
            .iter()
            .map(network)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// The client of a request that came from the trusted address `peer`: the right-most address in `x-forwarded-for`
    /// that is no trusted proxy. Everything left of it, or of what is no address, was written by somebody we do not
    /// believe.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lines: Vec<_> = headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|line| line.to_str().ok())
            .collect();
        let mut client = peer;
        for text in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            let Some(address) = parse_address(text.trim()) else {
                break;
            };
            client = address;
            if !self.trusts(address) {
                break;
            }
        }
        client
    }
}

/// The scheme that the client of a trusted proxy used.
pub(super) fn scheme(headers: &HeaderMap) -> Option<Scheme> {
    let line = headers
        .get_all("x-forwarded-proto")
        .iter()
        .next_back()?
        .to_str()
        .ok()?;
    match line.rsplit(',').next()?.trim() {
        "https" => Some(Scheme::HTTPS),
        "http" => Some(Scheme::HTTP),
        _ => None,
    }
}

/// An address as proxies write it: bare, or with a port, or in brackets.
fn parse_address(text: &str) -> Option<IpAddr> {
    let bare = text.parse::<IpAddr>().ok();
    let with_port = || {
        text.parse::<std::net::SocketAddr>()
            .ok()
            .map(|address| address.ip())
    };
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    bare.or_else(with_port)
        .or_else(bracketed)
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(texts: &[&str]) -> Proxies {
        Proxies::parse(
            &texts
                .iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>(),
        )
        .unwrap()
    }

    fn headers(lines: &[&str]) -> HeaderMap {
        lines
            .iter()
            .map(|line| {
                (
                    http::HeaderName::from_static("x-forwarded-for"),
                    line.parse().unwrap(),
                )
            })
            .collect()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_contain_what_shares_their_leading_bits() {
        let proxies = proxies(&["10.0.0.0/8", "192.168.1.1", "fd00::/8", "203.0.113.128/25"]);

        for inside in ["10.255.0.1", "192.168.1.1", "fdff::1", "203.0.113.200"] {
            assert!(proxies.trusts(address(inside)), "{inside}");
        }
        for outside in ["11.0.0.1", "192.168.1.2", "fe00::1", "203.0.113.1"] {
            assert!(!proxies.trusts(address(outside)), "{outside}");
        }
        assert!(
            super::Proxies::parse(&["0.0.0.0/0".into()])
                .unwrap()
                .trusts(address("8.8.8.8"))
        );
    }

    #[test]
    fn what_is_no_network_is_given_back() {
        for text in [
            "10.0.0.0/33",
            "example.com",
            "10.0.0.0/-1",
            "10.0.0.0/",
            "::/129",
            "1.2.3.4/+8",
        ] {
            assert_eq!(Proxies::parse(&[text.to_owned()]).unwrap_err(), text);
        }
    }

    #[test]
    fn the_client_is_the_rightmost_address_that_is_no_trusted_proxy() {
        let proxies = proxies(&["10.0.0.0/8"]);
        let peer = address("10.0.0.1");
        for (lines, client) in [
            (&["6.6.6.6, 8.8.8.8, 10.0.0.2"][..], "8.8.8.8"),
            (&["6.6.6.6", "8.8.8.8"], "8.8.8.8"),
            (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            (&["8.8.8.8, unknown, 10.0.0.2"], "10.0.0.2"),
            (&["[2001:db8::1]:443"], "2001:db8::1"),
            (&["8.8.8.8:1234"], "8.8.8.8"),
            (&["::ffff:8.8.8.8"], "8.8.8.8"),
            (&[""], "10.0.0.1"),
            (&[], "10.0.0.1"),
        ] {
            assert_eq!(
                proxies.client(peer, &headers(lines)),
                address(client),
                "{lines:?}"
            );
        }
    }
}
