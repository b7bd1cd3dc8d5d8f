//! The host that a request goes to, as its guest wrote it: a name or an address, never something that could be both.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Characters of a name, and of each of its parts, after the rules of DNS.
const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;

/// A host, in one form whatever the guest wrote.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Place {
    /// A name in lower case, without the dot at its end.
    Name(String),
    /// An address; an IPv4 address in the form of an IPv6 one is that IPv4 address.
    Address(IpAddr),
}

impl Place {
    /// Reads the host of a URI, with an IPv6 address in brackets; `None` for anything that a resolver might read in its own way.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Some(inner) = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
        {
            // No zone: `fe80::1%eth0` is not an address to this parser.
            let address: Ipv6Addr = inner.parse().ok()?;
            return Some(Self::Address(IpAddr::V6(address).to_canonical()));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Some(Self::Address(address.into()));
        }
        Self::name(text)
    }

    /// The same for what a guest gives to a lookup, where an IPv6 address has no brackets.
    pub(crate) fn parse_bare(text: &str) -> Option<Self> {
        match text.parse::<IpAddr>() {
            Ok(address) => Some(Self::Address(address.to_canonical())),
            Err(_) => Self::name(text),
        }
    }

    fn name(text: &str) -> Option<Self> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let is_label = |label: &str| {
            (1..=LONGEST_LABEL).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        let last = text.rsplit('.').next()?;
        let well_formed = text.len() <= LONGEST_NAME && text.split('.').all(is_label);
        (well_formed && !is_number(last)).then(|| Self::Name(text.to_ascii_lowercase()))
    }
}

/// Whether resolvers read a name that ends like this as an address: `2130706433`, `0177.0.0.1`, `0x7f.1`.
fn is_number(label: &str) -> bool {
    let hexadecimal = label
        .strip_prefix("0x")
        .or_else(|| label.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => formatter.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(formatter, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(formatter, "[{address}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_written_in_many_ways_and_read_as_one() {
        for text in ["api.example.com", "API.Example.COM", "api.example.com."] {
            assert_eq!(
                Place::parse(text),
                Some(Place::Name("api.example.com".into()))
            );
        }
        assert_eq!(
            Place::parse("xn--bcher-kva.example"),
            Some(Place::Name("xn--bcher-kva.example".into()))
        );
    }

    #[test]
    fn an_address_in_another_form_is_the_same_address() {
        let loopback = Some(Place::Address([127, 0, 0, 1].into()));
        for text in ["127.0.0.1", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"] {
            assert_eq!(Place::parse(text), loopback, "{text}");
        }
    }

    #[test]
    fn what_a_resolver_could_read_in_its_own_way_is_neither_name_nor_address() {
        for text in [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "0177.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.1",
            "0x7f000001",
            "127.0.0.0x1",
            "127.0.0.1.",
            "127.0.0.1..",
            "256.0.0.1",
            "1.2.3",
            "0x",
            "[fe80::1%eth0]",
            "[fe80::1%25eth0]",
            "[::1",
            "::1",
            "[127.0.0.1]",
            "[]",
            "user@host",
            "bücher.example",
            "host%2eexample",
            "host:80",
            "a b",
            "a\r\nb",
            "a/b",
            "a\\b",
            "a\0b",
        ] {
            assert_eq!(Place::parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_name_never_parses_as_an_address(text in "[0-9a-fxA-FX.:\\[\\]%-]{0,24}") {
            if let Some(Place::Name(name)) = Place::parse(&text) {
                prop_assert!(name.parse::<IpAddr>().is_err());
                // What resolvers do with numbers: at most four parts, each in any base.
                let is_number = |part: &str| part.parse::<u64>().is_ok()
                    || part.strip_prefix("0x").is_some_and(|part| u64::from_str_radix(part, 16).is_ok());
                prop_assert!(!name.split('.').all(is_number), "{name}");
            }
        }

        #[test]
        fn reading_what_was_read_changes_nothing(text in "\\PC{0,30}") {
            if let Some(place) = Place::parse(&text) {
                prop_assert_eq!(Place::parse(&place.to_string()), Some(place));
            }
        }
    }
}
