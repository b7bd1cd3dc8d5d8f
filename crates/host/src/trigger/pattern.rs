//! The path and host patterns of routes, parsed once.

use std::borrow::Cow;

/// One segment of a path pattern.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Segment {
    /// This text, percent-decoded.
    Literal(Vec<u8>),
    /// Any text that is not empty, under a name.
    Parameter(String),
}

/// A path pattern: `/a/:b`, or with everything below it, `/a/:b/...`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Pattern {
    pub(super) segments: Vec<Segment>,
    /// Whether it ends with `/...`.
    pub(super) rest: bool,
}

impl Pattern {
    /// Reads a pattern, or says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let path = text.strip_prefix('/').ok_or("a route begins with `/`")?;
        if text.contains(['?', '#']) {
            return Err("a route is a path, without `?` and `#`".into());
        }
        let (path, rest) = match path.strip_suffix("...") {
            Some("") => (None, true),
            Some(prefix) => (
                Some(
                    prefix
                        .strip_suffix('/')
                        .ok_or("`...` stands alone after the last `/`")?,
                ),
                true,
            ),
            None => (Some(path), false),
        };
        let mut segments = Vec::new();
        let mut parts = path.into_iter().flat_map(|path| path.split('/')).peekable();
        while let Some(part) = parts.next() {
            if part.is_empty() && (rest || parts.peek().is_some()) {
                return Err("a segment is empty: `//`".into());
            }
            let segment = Segment::parse(part)?;
            if matches!(&segment, Segment::Parameter(_)) && segments.contains(&segment) {
                return Err(format!("the parameter `{part}` appears twice"));
            }
            segments.push(segment);
        }
        // Hosts have thousands of routes.
        segments.shrink_to_fit();
        Ok(Self { segments, rest })
    }

    /// The same with a slash at the end, where that is another one.
    pub(super) fn with_slash(&self) -> Option<Self> {
        let last = Segment::Literal(Vec::new());
        if self.rest || self.segments.last() == Some(&last) {
            return None;
        }
        let mut twin = self.clone();
        twin.segments.push(last);
        Some(twin)
    }

    /// The path itself, when there is only one that matches and nothing in it is encoded.
    pub(super) fn only_path(&self) -> Option<String> {
        let mut path = String::new();
        for segment in &self.segments {
            let Segment::Literal(bytes) = segment else {
                return None;
            };
            let text = std::str::from_utf8(bytes).ok()?;
            if text.contains(['/', '%']) {
                return None;
            }
            path.push('/');
            path.push_str(text);
        }
        (!self.rest).then_some(path)
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix(':') {
            Some(name) if is_name(name) => Ok(Self::Parameter(name.to_ascii_lowercase())),
            Some(_) => Err(format!(
                "`{text}` is no parameter: its name has letters, digits, `_`, `-` and begins with a letter"
            )),
            None if text == "..." => Err("`...` stands only at the end".into()),
            None => Ok(Self::Literal(decode(text).into_owned())),
        }
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    name.starts_with(|first: char| first.is_ascii_alphabetic()) && name.bytes().all(allowed)
}

/// The bytes of one segment with `%41` read as `A`; what is no valid encoding stands for itself.
pub(super) fn decode(segment: &str) -> Cow<'_, [u8]> {
    if !segment.contains('%') {
        return Cow::Borrowed(segment.as_bytes());
    }
    let mut decoded = Vec::with_capacity(segment.len());
    let mut bytes = segment.as_bytes();
    while let Some((&byte, rest)) = bytes.split_first() {
        bytes = rest;
        match (byte, rest) {
            (b'%', [high, low, after @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                decoded.push(nibble(*high) << 4 | nibble(*low));
                bytes = after;
            }
            _ => decoded.push(byte),
        }
    }
    Cow::Owned(decoded)
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20).wrapping_sub(b'a').wrapping_add(10),
    }
}

/// A host pattern.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum HostPattern {
    /// Exactly this host.
    Exact(String),
    /// Every host below this one: `*.example.com`.
    Below(String),
}

impl HostPattern {
    /// Reads a pattern, or says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (name, below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let is_address = name.starts_with('[') && name.ends_with(']');
        let forbidden = |character: char| {
            character.is_whitespace()
                || "*/?#@%".contains(character)
                || (character == ':' && !is_address)
        };
        if name.is_empty() || name.starts_with('.') || name.contains(forbidden) {
            return Err(format!(
                "`{text}` is no host: write a name without port, or `*.name` for every host below it"
            ));
        }
        Ok(if below {
            Self::Below(name)
        } else {
            Self::Exact(name)
        })
    }
}

/// A host as requests name it, for comparison: without port and final dot, in lower case.
pub(super) fn comparable_host(host: &str) -> Cow<'_, str> {
    let name = match host.strip_prefix('[') {
        Some(address) => address
            .find(']')
            .and_then(|end| host.get(..end + 2))
            .unwrap_or(host),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_mean_nothing_are_refused_with_a_reason() {
        for (text, reason) in [
            ("a", "begins with"),
            ("", "begins with"),
            ("/a?b", "without `?`"),
            ("/a//b", "empty"),
            ("//...", "empty"),
            ("/a/.../b", "only at the end"),
            ("/a...", "stands alone"),
            ("/:", "is no parameter"),
            ("/:a:b", "is no parameter"),
            ("/:1", "is no parameter"),
            ("/:a/:A", "appears twice"),
        ] {
            let error = Pattern::parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn hosts_that_mean_nothing_are_refused() {
        for text in ["", "*", "*.", "a:80", "a b", "*.*.a", ".a", "http://a"] {
            assert!(HostPattern::parse(text).is_err(), "{text}");
        }
        assert_eq!(
            HostPattern::parse("*.Example.com."),
            Ok(HostPattern::Below("example.com".into()))
        );
        assert_eq!(
            HostPattern::parse("[::1]"),
            Ok(HostPattern::Exact("[::1]".into()))
        );
    }

    #[test]
    fn hosts_are_compared_without_port_case_and_final_dot() {
        assert_eq!(comparable_host("Example.COM.:8080"), "example.com");
        assert_eq!(comparable_host("[::1]:80"), "[::1]");
        assert_eq!(comparable_host("[::1"), "[::1");
        assert_eq!(comparable_host("a"), "a");
    }

    #[test]
    fn segments_are_decoded_and_broken_encodings_stand_for_themselves() {
        assert_eq!(decode("caf%C3%a9"), "café".as_bytes());
        assert_eq!(decode("%2f%zz%4"), b"/%zz%4".as_slice());
    }
}
