//! Grants of places, read.

use std::io;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;

use super::{Resolver, is_public};
use crate::locked::{LockedTarget, TargetKind};

/// Addresses of one name that are looked at; a name with more is refused.
const MOST_ADDRESSES: usize = 64;

/// Which hosts are meant.
#[derive(Clone, Debug)]
enum Hosts {
    Name(String),
    /// All names that end with this, which begins with a dot.
    Suffix(String),
    Any,
    Network(IpNet),
}

/// One place that is granted.
#[derive(Clone, Debug)]
struct Target {
    /// `None` for any.
    scheme: Option<String>,
    hosts: Hosts,
    ports: RangeInclusive<u16>,
    private: bool,
}

/// The places that a component was granted, in the order of its manifest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Targets(Vec<Target>);

/// A name that is granted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NameGrant {
    /// The grant that says the most about it, by its place in the manifest.
    pub(crate) index: usize,
    /// Whether the name may lead to addresses that are not public.
    pub(crate) private: bool,
}

/// Why a name leads nowhere.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It was not found.
    Unknown(io::Error),
    /// It leads to addresses that are not public, among others or alone; these.
    Private(Vec<IpAddr>),
}

impl Target {
    fn read(target: &LockedTarget) -> Result<Self, String> {
        let host = target.host.to_ascii_lowercase();
        let hosts = match target.kind {
            TargetKind::Name => Hosts::Name(host),
            TargetKind::Suffix => Hosts::Suffix(format!(".{host}")),
            TargetKind::Any => Hosts::Any,
            TargetKind::Network => Hosts::Network(
                host.parse()
                    .map_err(|error| format!("the grant {}: {host}: {error}", target.text))?,
            ),
        };
        Ok(Self {
            scheme: (target.scheme != "*").then(|| target.scheme.clone()),
            hosts,
            ports: target.first_port..=target.last_port,
            private: target.private,
        })
    }

    fn fits(&self, scheme: &str, port: u16) -> bool {
        self.scheme
            .as_deref()
            .is_none_or(|granted| granted == scheme)
            && self.ports.contains(&port)
    }

    /// How much the grant says about a name: the longer the more; `None` when it does not mean it.
    fn names(&self, name: &str) -> Option<usize> {
        match &self.hosts {
            Hosts::Name(granted) => (granted == name).then_some(usize::MAX),
            // The name itself is longer than what comes after the asterisk: `a.b` for `*.b`, never `.b` or `b`.
            Hosts::Suffix(suffix) => (name.len() > suffix.len() && name.ends_with(suffix.as_str()))
                .then_some(suffix.len()),
            Hosts::Any => Some(0),
            Hosts::Network(_) => None,
        }
    }
}

impl Targets {
    pub(crate) fn read(targets: &[LockedTarget]) -> Result<Self, String> {
        targets
            .iter()
            .map(Target::read)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether anything is granted for this scheme.
    pub(crate) fn has_scheme(&self, scheme: &str) -> bool {
        let mut schemes = self.0.iter().map(|target| target.scheme.as_deref());
        schemes.any(|granted| granted.is_none_or(|granted| granted == scheme))
    }

    /// The grant of a name.
    pub(crate) fn name(&self, scheme: &str, name: &str, port: u16) -> Option<NameGrant> {
        let fitting = self.0.iter().enumerate();
        let fitting = fitting.filter(|(_, target)| target.fits(scheme, port));
        let mut best: Option<(usize, NameGrant)> = None;
        for (index, target) in fitting {
            let Some(weight) = target.names(name) else {
                continue;
            };
            if let Some((most, grant)) = &mut best {
                grant.private |= target.private;
                if weight > *most {
                    (*most, grant.index) = (weight, index);
                }
            } else {
                let private = target.private;
                best = Some((weight, NameGrant { index, private }));
            }
        }
        best.map(|(_, grant)| grant)
    }

    /// Whether a name is granted with any scheme and any port.
    pub(crate) fn mentions(&self, name: &str) -> bool {
        self.0.iter().any(|target| target.names(name).is_some())
    }

    /// Names that are granted as they are, with a scheme and a port.
    pub(crate) fn exact_names(&self, scheme: &str, port: u16) -> impl Iterator<Item = &str> {
        let fitting = move |target: &&Target| target.fits(scheme, port);
        self.0
            .iter()
            .filter(fitting)
            .filter_map(|target| match &target.hosts {
                Hosts::Name(name) => Some(name.as_str()),
                _ => None,
            })
    }

    /// The grant of an address: of the smallest network that has it.
    pub(crate) fn address(&self, scheme: &str, address: IpAddr, port: u16) -> Option<usize> {
        let fitting = self.0.iter().enumerate();
        let fitting = fitting.filter(|(_, target)| target.fits(scheme, port));
        let covering = fitting.filter_map(|(index, target)| match &target.hosts {
            Hosts::Network(network) if network.contains(&address) => {
                Some((network.prefix_len(), index))
            }
            _ => None,
        });
        let smallest = covering.reduce(|most, next| if next.0 > most.0 { next } else { most });
        smallest.map(|(_, index)| index)
    }

    /// Whether any grant, of whatever scheme and port, is of this address.
    pub(crate) fn covers(&self, address: IpAddr) -> bool {
        self.0.iter().any(|target| match &target.hosts {
            Hosts::Network(network) => network.contains(&address),
            _ => false,
        })
    }
}

/// The addresses of a name, when all of them may be used.
pub(crate) async fn lead(
    resolver: &dyn Resolver,
    name: &str,
    may: impl Fn(IpAddr) -> bool,
) -> Result<Vec<IpAddr>, Refused> {
    let found = resolver.resolve(name).await.map_err(Refused::Unknown)?;
    let found: Vec<IpAddr> = found.iter().map(IpAddr::to_canonical).collect();
    let refused = found
        .iter()
        .filter(|address| !is_public(**address) && !may(**address));
    let refused: Vec<_> = refused.copied().collect();
    if !refused.is_empty() {
        return Err(Refused::Private(refused));
    }
    if found.is_empty() || found.len() > MOST_ADDRESSES {
        let message = format!("{} addresses", found.len());
        return Err(Refused::Unknown(io::Error::other(message)));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn target(kind: TargetKind, host: &str) -> LockedTarget {
        LockedTarget {
            text: host.into(),
            scheme: "https".into(),
            kind,
            host: host.into(),
            first_port: 443,
            last_port: 445,
            private: false,
            roots: None,
            certificate: None,
            key: None,
        }
    }

    fn read(targets: &[LockedTarget]) -> Targets {
        Targets::read(targets).unwrap()
    }

    #[test]
    fn a_name_is_granted_with_its_scheme_and_its_ports_only() {
        let targets = read(&[target(TargetKind::Name, "api.example.com")]);

        let at = |scheme, name, port| targets.name(scheme, name, port).is_some();
        assert!(at("https", "api.example.com", 443));
        assert!(at("https", "api.example.com", 445));
        assert!(!at("https", "api.example.com", 442));
        assert!(!at("https", "api.example.com", 446));
        assert!(!at("http", "api.example.com", 443));
        assert!(!at("https", "evil-api.example.com", 443));
        assert!(!at("https", "api.example.com.evil.org", 443));
        assert!(!at("https", "example.com", 443));
    }

    #[test]
    fn a_suffix_is_all_names_below_it_and_not_itself() {
        let targets = read(&[target(TargetKind::Suffix, "shop.example")]);

        for name in ["a.shop.example", "a.b.shop.example"] {
            assert!(targets.name("https", name, 443).is_some(), "{name}");
        }
        for name in [
            "shop.example",
            ".shop.example",
            "ashop.example",
            "shop.example.org",
        ] {
            assert!(targets.name("https", name, 443).is_none(), "{name}");
        }
    }

    #[test]
    fn an_address_is_granted_by_networks_only_and_a_name_never_by_them() {
        let targets = read(&[
            target(TargetKind::Any, "*"),
            target(TargetKind::Network, "10.0.0.0/8"),
            target(TargetKind::Network, "10.1.0.0/16"),
        ]);

        assert_eq!(targets.address("https", [10, 1, 2, 3].into(), 443), Some(2));
        assert_eq!(targets.address("https", [10, 2, 2, 3].into(), 443), Some(1));
        assert_eq!(targets.address("https", [8, 8, 8, 8].into(), 443), None);
        assert_eq!(targets.address("http", [10, 1, 2, 3].into(), 443), None);
        assert_eq!(
            targets
                .name("https", "a.example", 443)
                .map(|grant| grant.index),
            Some(0)
        );
    }

    #[test]
    fn the_grant_that_says_most_about_a_name_is_its_own_and_any_may_say_private() {
        let private = LockedTarget {
            private: true,
            ..target(TargetKind::Any, "*")
        };
        let targets = read(&[
            private,
            target(TargetKind::Suffix, "example.com"),
            target(TargetKind::Suffix, "a.example.com"),
            target(TargetKind::Name, "b.a.example.com"),
        ]);

        let grant = |name| targets.name("https", name, 443).unwrap();
        assert_eq!(
            grant("b.a.example.com"),
            NameGrant {
                index: 3,
                private: true
            }
        );
        assert_eq!(grant("c.a.example.com").index, 2);
        assert_eq!(grant("c.example.com").index, 1);
        assert_eq!(grant("example.com").index, 0);
    }

    proptest! {
        #[test]
        fn a_name_matches_exactly_as_its_labels_do(
            name in "[a-c]{1,2}(\\.[a-c]{1,2}){0,3}", granted in "[a-c]{1,2}(\\.[a-c]{1,2}){0,2}", port in 440u16..450,
        ) {
            let labels = |text: &str| text.split('.').rev().map(str::to_owned).collect::<Vec<_>>();
            let (ours, theirs) = (labels(&name), labels(&granted));
            let ports = (443..=445).contains(&port);
            let exact = read(&[target(TargetKind::Name, &granted)]);
            let suffix = read(&[target(TargetKind::Suffix, &granted)]);
            let below = ours.len() > theirs.len() && ours.starts_with(&theirs);
            prop_assert_eq!(exact.name("https", &name, port).is_some(), ports && ours == theirs);
            prop_assert_eq!(suffix.name("https", &name, port).is_some(), ports && below);
        }

        #[test]
        fn a_network_covers_what_has_its_prefix(address: u32, network: u32, length in 0u8..=32) {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            let text = format!("{}/{length}", std::net::Ipv4Addr::from(network & mask));
            let targets = read(&[target(TargetKind::Network, &text)]);
            let address_is_in = address & mask == network & mask;
            let address = IpAddr::from(std::net::Ipv4Addr::from(address));
            prop_assert_eq!(targets.address("https", address, 443).is_some(), address_is_in);
            prop_assert_eq!(targets.covers(address), address_is_in);
        }
    }
}
