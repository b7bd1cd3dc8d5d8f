//! Answers of the host itself, as problem details (RFC 9457): what a client may know, and the identity of the request
//! under which the log knows more.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use serde_json::json;

use crate::lattice::gateway::Unreached;
use crate::lattice::hop::Outcome;
use crate::pool::InvokeError;
use crate::telemetry::RequestId;

/// Why the host answers instead of a guest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Problem {
    /// The request is not valid, for this reason.
    BadRequest(&'static str),
    /// No route fits.
    NotFound,
    /// Routes fit but for their method.
    MethodNotAllowed(Vec<Method>),
    /// The head did not arrive in time.
    HeadTimeout,
    /// The body is longer than the component's limit.
    TooLarge,
    /// The head is longer than the component's limit.
    HeadTooLarge,
    /// The response is longer than the component's limit, and says so.
    ResponseTooLarge,
    /// `CONNECT` and `TRACE`.
    NotImplemented,
    /// The component gave no response.
    Invocation(Failure),
    /// Another host took this one for one that runs the app.
    Elsewhere,
    /// No host that runs the app can be reached.
    Unreachable,
    /// The host that was to answer is lost, and may have begun.
    HostLost,
    /// The host that was to answer did not in time.
    HostLate,
}

/// Why a component gave no response, as far as clients are concerned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Failure {
    Overloaded,
    Timeout,
    CpuTime,
    Broken,
}

impl From<&Unreached> for Problem {
    fn from(unreached: &Unreached) -> Self {
        match unreached {
            Unreached::NotSent(_) | Unreached::Spent => Self::Unreachable,
            Unreached::Lost => Self::HostLost,
            Unreached::Late => Self::HostLate,
        }
    }
}

impl From<&InvokeError> for Failure {
    fn from(error: &InvokeError) -> Self {
        match error {
            InvokeError::Overloaded => Self::Overloaded,
            InvokeError::Timeout => Self::Timeout,
            InvokeError::CpuTime(_) => Self::CpuTime,
            InvokeError::Trap { .. }
            | InvokeError::NoResponse
            | InvokeError::Guest(_)
            | InvokeError::Library
            | InvokeError::Instantiate(_)
            | InvokeError::Load(_) => Self::Broken,
        }
    }
}

impl Problem {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::HeadTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::NotImplemented => StatusCode::NOT_IMPLEMENTED,
            Self::Elsewhere => StatusCode::MISDIRECTED_REQUEST,
            Self::Invocation(Failure::Overloaded) | Self::Unreachable => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Invocation(Failure::Timeout | Failure::CpuTime) | Self::HostLate => {
                StatusCode::GATEWAY_TIMEOUT
            }
            Self::Invocation(Failure::Broken) | Self::ResponseTooLarge | Self::HostLost => {
                StatusCode::BAD_GATEWAY
            }
        }
    }

    /// What a host is told that sent the request on.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Elsewhere => Some(Outcome::Elsewhere),
            Self::Invocation(Failure::Overloaded) => Some(Outcome::Overloaded),
            Self::Invocation(_) => Some(Outcome::Failed),
            _ => None,
        }
    }

    fn detail(&self) -> &'static str {
        match self {
            Self::BadRequest(reason) => reason,
            Self::NotFound => "no route leads here",
            Self::MethodNotAllowed(_) => "no route here takes this method",
            Self::HeadTimeout => "the head of the request took too long to arrive",
            Self::TooLarge => "the request body is longer than the component allows",
            Self::HeadTooLarge => {
                "the request's path and headers are longer than the component allows"
            }
            Self::ResponseTooLarge => "the component's response is longer than it may be",
            Self::NotImplemented => "this method is not supported",
            Self::Invocation(Failure::Overloaded) => "too many requests are in progress",
            Self::Invocation(Failure::Timeout) => "the component did not respond in time",
            Self::Invocation(Failure::CpuTime) => {
                "the component took more processor time than it may"
            }
            Self::Invocation(Failure::Broken) => "the component failed",
            Self::Elsewhere => "this host does not run the app",
            Self::Unreachable => "no host that runs the app can be reached",
            Self::HostLost => "the host that runs the app was lost; it may have begun to answer",
            Self::HostLate => "the host that runs the app did not respond in time",
        }
    }

    /// The whole answer.
    pub(super) fn response(&self, id: RequestId) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from(self.body(id)));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        match self {
            Self::MethodNotAllowed(methods) => {
                let names: Vec<_> = methods.iter().map(Method::as_str).collect();
                headers.insert(header::ALLOW, super::headers::text_value(&names.join(", ")));
            }
            Self::Invocation(Failure::Overloaded) | Self::Unreachable => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }

    fn body(&self, id: RequestId) -> String {
        let status = self.status();
        json!({
            "type": "about:blank",
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "detail": self.detail(),
            "request_id": id.to_string(),
        })
        .to_string()
    }

    /// The answer as it stands on the wire, for a connection that nobody serves any more.
    pub(super) fn on_the_wire(&self, id: RequestId) -> String {
        let (status, body) = (self.status(), self.body(id));
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_what_a_client_may_know() {
        let id = RequestId::next();

        let response = Problem::Invocation(Failure::Overloaded).response(id);

        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        assert_eq!(
            body,
            json!({
                "type": "about:blank", "title": "Service Unavailable", "status": 503,
                "detail": "too many requests are in progress", "request_id": id.to_string(),
            })
        );
    }

    #[test]
    fn allow_names_the_methods() {
        let problem = Problem::MethodNotAllowed(vec![Method::GET, Method::HEAD]);

        assert_eq!(
            problem.response(RequestId::next()).headers()["allow"],
            "GET, HEAD"
        );
    }

    #[test]
    fn a_late_head_is_answered_on_the_wire() {
        let text = Problem::HeadTimeout.on_the_wire(RequestId::next());

        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("HTTP/1.1 408 Request Timeout\r\n"),
            "{head}"
        );
        assert!(
            head.contains(&format!("content-length: {}\r\n", body.len())),
            "{head}"
        );
    }
}
