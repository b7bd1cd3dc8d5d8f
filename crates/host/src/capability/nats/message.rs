//! A message as a stream keeps it.

use async_nats::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;

/// A message of a stream, with its place in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stored {
    pub(crate) sequence: u64,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) payload: Bytes,
}

impl Stored {
    /// The first value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

/// The first value of a header of this name.
fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = headers
        .iter()
        .find(|(one, _)| one.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

/// Headers as they are sent. Those that cannot be sent are none of ours.
pub(crate) fn headers<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name: Result<HeaderName, _> = name.parse();
        let value: Result<HeaderValue, _> = value.parse();
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    headers
}

/// The same as the server writes it into JSON.
#[derive(Debug, Deserialize)]
pub(super) struct Written {
    seq: u64,
    #[serde(default)]
    hdrs: Option<String>,
    #[serde(default)]
    data: Option<String>,
}

impl Written {
    /// `None` when it is not what a server would write.
    pub(super) fn read(self) -> Option<Stored> {
        let bytes = |text: Option<String>| STANDARD.decode(text.unwrap_or_default()).ok();
        let headers = bytes(self.hdrs)?;
        Some(Stored {
            sequence: self.seq,
            headers: lines(std::str::from_utf8(&headers).ok()?),
            payload: bytes(self.data)?.into(),
        })
    }
}

/// The headers in the lines of a message; the first line says the version.
fn lines(text: &str) -> Vec<(String, String)> {
    let pairs = text
        .split("\r\n")
        .skip(1)
        .filter_map(|line| line.split_once(':'));
    pairs
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_with_all_values_of_a_name_and_colons_in_them() {
        let read = lines("NATS/1.0\r\nA: 1\r\nB:x:y\r\na: 2\r\n\r\n");

        let pairs = [("A", "1"), ("B", "x:y"), ("a", "2")];
        assert_eq!(read, pairs.map(|(name, value)| (name.into(), value.into())));
        assert_eq!(header(&read, "a"), Some("1"));
    }
}
