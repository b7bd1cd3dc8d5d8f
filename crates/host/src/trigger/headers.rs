//! What a guest may see of a request's headers, and a client of a response's.
//!
//! Headers that speak about one connection end there. Headers that speak for the host (`wisp-*`, and `spin-*` as Spin's guests read them) or for a proxy
//! (`forwarded`, `x-forwarded-*`) are dropped when they come from somebody who may not. A guest may read headers through
//! CGI's conventions, where `-` and `_` are the same: so names with `_` are dropped as well.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::telemetry::RequestId;

pub(super) const CLIENT_ADDRESS: HeaderName = HeaderName::from_static("wisp-client-address");
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(super) const ROUTE: HeaderName = HeaderName::from_static("wisp-route");
pub(super) const PATH_INFO: HeaderName = HeaderName::from_static("wisp-path-info");

/// Removes what neither a client nor, unless `trusted`, a proxy may say.
pub(super) fn clean_request(headers: &mut HeaderMap, trusted: bool) {
    remove_named_by_connection(headers);
    remove(headers, |name| {
        ends_here(name) || is_reserved(name, trusted)
    });
}

/// Removes what speaks about a connection that the guest does not have.
pub(super) fn clean_response(headers: &mut HeaderMap) {
    remove(headers, ends_here);
}

/// The usual headers have nothing to remove, and then nothing is allocated.
fn remove(headers: &mut HeaderMap, unwanted: impl Fn(&str) -> bool) {
    if headers.keys().any(|name| unwanted(name.as_str())) {
        let names: Vec<_> = headers
            .keys()
            .filter(|name| unwanted(name.as_str()))
            .cloned()
            .collect();
        for name in names {
            headers.remove(name);
        }
    }
}

/// Whether only the host may say this, to whatever component.
pub(crate) fn speaks_for_host(name: &str) -> bool {
    name.starts_with("wisp-") || name.starts_with("spin-")
}

fn ends_here(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

fn is_reserved(name: &str, trusted: bool) -> bool {
    if name.contains('_') {
        let name = name.replace('_', "-");
        return speaks_for_host(&name)
            || name.starts_with("x-forwarded-")
            || name == REQUEST_ID.as_str();
    }
    speaks_for_host(name) || (!trusted && (name == "forwarded" || name.starts_with("x-forwarded-")))
}

fn remove_named_by_connection(headers: &mut HeaderMap) {
    if !headers.contains_key(header::CONNECTION) {
        return;
    }
    let lines = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|line| line.to_str().ok());
    let names: Vec<_> = lines
        .flat_map(|line| line.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        // `te: trailers` must be named there and still tells the guest whether trailers arrive.
        .filter(|name| {
            *name != header::TE && *name != header::HOST && *name != header::CONTENT_LENGTH
        })
        .collect();
    for name in names {
        headers.remove(name);
    }
}

/// The identity of a request as a header.
pub(super) fn digits_value(id: RequestId) -> HeaderValue {
    HeaderValue::from_bytes(&id.digits()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The value of a header with text that may have any letters.
pub(super) fn text_value(text: &str) -> HeaderValue {
    HeaderValue::from_bytes(text.as_bytes()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(names: &[(&'static str, &'static str)]) -> HeaderMap {
        names
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    fn left(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_client_cannot_speak_for_the_host_or_for_a_proxy() {
        let sent = [
            ("accept", "*/*"),
            ("forwarded", "for=1.1.1.1"),
            ("wisp-client-address", "1.1.1.1"),
            ("wisp_client_address", "1.1.1.1"),
            ("spin-client-addr", "1.1.1.1:1"),
            ("spin_client_addr", "1.1.1.1:1"),
            ("spin-made-up", "1"),
            ("x-forwarded-for", "1.1.1.1"),
            ("x_forwarded_for", "1.1.1.1"),
            ("x-forwarded-anything", "1"),
            ("x_request_id", "1"),
            ("snake_case", "1"),
        ];

        let mut headers = map(&sent);
        clean_request(&mut headers, false);
        assert_eq!(left(&headers), ["accept", "snake_case"]);

        let mut headers = map(&sent);
        clean_request(&mut headers, true);
        assert_eq!(
            left(&headers),
            [
                "accept",
                "forwarded",
                "snake_case",
                "x-forwarded-anything",
                "x-forwarded-for"
            ]
        );
    }

    #[test]
    fn headers_of_the_connection_end_there() {
        let mut headers = map(&[
            ("connection", "X-Secret, te, Host"),
            ("host", "a"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("x-secret", "1"),
        ]);

        clean_request(&mut headers, false);

        assert_eq!(left(&headers), ["host", "te"]);
    }

    #[test]
    fn a_guest_cannot_speak_about_the_connection() {
        let mut headers = map(&[
            ("connection", "close"),
            ("content-length", "3"),
            ("keep-alive", "1"),
            ("trailer", "a"),
        ]);

        clean_response(&mut headers);

        assert_eq!(left(&headers), ["content-length", "trailer"]);
    }
}
