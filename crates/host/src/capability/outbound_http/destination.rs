//! Where a request goes, read from its URI once and then used for everything: the policy, the connection, TLS, the Host header.

use http::Uri;
use wasmtime_wasi_http::Error as HttpError;

use crate::capability::network::Place;

/// Scheme, host and port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Destination {
    pub(super) secure: bool,
    pub(super) place: Place,
    pub(super) port: u16,
}

fn usual_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

impl Destination {
    /// Refuses what has a user, an odd port, or a host that is neither a name nor an address beyond doubt.
    pub(super) fn of(uri: &Uri) -> Result<Self, HttpError> {
        let invalid = || HttpError::HttpRequestUriInvalid;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(invalid()),
        };
        let authority = uri.authority().ok_or_else(invalid)?.as_str();
        let (host, port) = split(authority).ok_or_else(invalid)?;
        let port = match port {
            Some(port) => port,
            None => usual_port(secure),
        };
        let place = Place::parse(host).ok_or_else(invalid)?;
        Ok(Self {
            secure,
            place,
            port,
        })
    }

    pub(super) fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    /// What it is, with its port.
    pub(super) fn origin(&self) -> String {
        format!("{}://{}:{}", self.scheme(), self.place, self.port)
    }

    /// Host, and the port when it is not the scheme's own: for the Host header.
    pub(super) fn authority(&self) -> String {
        if self.port == usual_port(self.secure) {
            return self.place.to_string();
        }
        format!("{}:{}", self.place, self.port)
    }

    /// The component of the app that would be meant, if there is one of that name: `orders` of `orders.internal`, or, as Spin's guests
    /// write it, of `orders.spin.internal`.
    pub(super) fn component(&self) -> Option<&str> {
        let Place::Name(host) = &self.place else {
            return None;
        };
        let name = host.strip_suffix(".internal")?;
        Some(name.strip_suffix(".spin").unwrap_or(name))
    }

    /// The same with the scheme, for this host or another at its place: as grants are written.
    pub(super) fn grant(&self, place: &Place) -> String {
        let place = place.clone();
        let other = Self { place, ..*self };
        format!("{}://{}", self.scheme(), other.authority())
    }
}

/// Host and port of an authority; `None` when it has more than these.
fn split(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match authority.rfind(']') {
        Some(end) => authority.split_at_checked(end + 1)?,
        None => match authority.find(':') {
            Some(colon) => authority.split_at_checked(colon)?,
            None => (authority, ""),
        },
    };
    if port.is_empty() {
        return Some((host, None));
    }
    let digits = port.strip_prefix(':')?;
    let plain = (1..=5).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let port = digits.parse().ok().filter(|port| plain && *port > 0)?;
    Some((host, Some(port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(scheme: &str, authority: &str) -> Option<Destination> {
        // What the guest's side of `wasi:http` does with an authority.
        let uri = Uri::builder()
            .scheme(scheme)
            .authority(authority)
            .path_and_query("/")
            .build()
            .ok()?;
        Destination::of(&uri).ok()
    }

    #[test]
    fn a_destination_has_one_form() {
        let destination = of("https", "API.Example.com.:443").unwrap();

        assert_eq!(destination.origin(), "https://api.example.com:443");
        assert_eq!(destination.authority(), "api.example.com");
        assert_eq!(
            destination.grant(&destination.place),
            "https://api.example.com"
        );
        assert_eq!(of("http", "[::1]:8080").unwrap().authority(), "[::1]:8080");
        assert_eq!(of("http", "h").unwrap().port, 80);
    }

    #[test]
    fn what_is_not_a_host_and_a_port_is_refused() {
        for authority in [
            "user@host",
            "user:secret@host",
            "@host",
            "host:",
            "host:0",
            "host:65536",
            "host:99999",
            "host:+80",
            "host:8o",
            "host:80:80",
            "host:80@evil",
            "[::1]80",
            "[::1]:",
            "[::1]:x",
            "[fe80::1%25eth0]",
            "127.1",
            "0177.0.0.1:80",
            "2130706433",
            "0x7f.1",
            "bücher.example",
            "a b",
            "h\r\nx: y",
            "h/x",
            "h?x",
            "h#x",
            "%6c%6fcalhost",
            "host\\evil",
            "",
        ] {
            assert_eq!(of("http", authority), None, "{authority:?}");
        }
        assert_eq!(of("ftp", "host"), None);
        assert_eq!(Destination::of(&Uri::from_static("/path")).ok(), None);
    }
}
