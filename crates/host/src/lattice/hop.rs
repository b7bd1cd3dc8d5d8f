//! What hosts tell each other about a request that one of them has received and another one answers, as headers.
//!
//! The one that sends it has taken all headers of these names from what its client sent; the one that answers takes them from what
//! its guest answered.

use std::net::SocketAddr;
use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

/// The app that is meant: a host that does not run it (any more) says so.
const APP: HeaderName = HeaderName::from_static("wisp-app");
/// The client, as the host that received the request knows it.
const CLIENT: HeaderName = HeaderName::from_static("wisp-client");
/// Milliseconds that are left for the answer: clocks of hosts differ.
const LEFT: HeaderName = HeaderName::from_static("wisp-left");
/// Requests in progress in the worker that answers.
const LOAD: HeaderName = HeaderName::from_static("wisp-load");
/// Why a host answers instead of a guest.
const OUTCOME: HeaderName = HeaderName::from_static("wisp-outcome");

/// What is told with a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Told {
    pub(crate) app: String,
    pub(crate) client: SocketAddr,
    pub(crate) deadline: Instant,
}

impl Told {
    /// Writes it into the headers of a request.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let values = [
            (APP, HeaderValue::from_str(&self.app)),
            (CLIENT, HeaderValue::from_str(&self.client.to_string())),
            (LEFT, HeaderValue::from_str(&left.as_millis().to_string())),
        ];
        for (name, value) in values {
            // They are of letters that any header may have.
            if let Ok(value) = value {
                headers.insert(name, value);
            }
        }
    }

    /// Reads it from the headers of a request; `None` when a part is missing or means nothing.
    pub(crate) fn read(headers: &HeaderMap) -> Option<Self> {
        let text = |name: &HeaderName| headers.get(name)?.to_str().ok();
        let left = Duration::from_millis(text(&LEFT)?.parse().ok()?);
        Some(Self {
            app: text(&APP)?.to_owned(),
            client: text(&CLIENT)?.parse().ok()?,
            deadline: Instant::now().checked_add(left)?,
        })
    }
}

/// Why a host answers instead of a guest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// It does not run the app: nothing was handled.
    Elsewhere,
    /// Too much is in progress: nothing was handled.
    Overloaded,
    /// The guest failed, or took too long.
    Failed,
}

impl Outcome {
    fn text(self) -> &'static str {
        match self {
            Self::Elsewhere => "elsewhere",
            Self::Overloaded => "overloaded",
            Self::Failed => "failed",
        }
    }

    /// Writes it into the headers of an answer.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        headers.insert(OUTCOME, HeaderValue::from_static(self.text()));
    }
}

/// Writes the load into the headers of an answer.
pub(crate) fn write_load(load: u64, headers: &mut HeaderMap) {
    headers.insert(LOAD, HeaderValue::from(load));
}

/// Takes what only a host may say from the headers of a guest's answer.
pub(crate) fn clean_answer(headers: &mut HeaderMap) {
    headers.remove(LOAD);
    headers.remove(OUTCOME);
}

/// Takes load and outcome out of the headers of an answer.
pub(crate) fn take(headers: &mut HeaderMap) -> (Option<u64>, Option<Outcome>) {
    let load = headers.remove(LOAD);
    let load = load.and_then(|load| load.to_str().ok()?.parse().ok());
    let outcome = headers.remove(OUTCOME).and_then(|outcome| {
        [Outcome::Elsewhere, Outcome::Overloaded, Outcome::Failed]
            .into_iter()
            .find(|known| outcome == known.text())
    });
    (load, outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_told_is_read_back_and_time_goes_by_on_both_sides() {
        let told = Told {
            app: "shop".to_owned(),
            client: "[2001:db8::1]:7".parse().unwrap(),
            deadline: Instant::now() + Duration::from_secs(5),
        };
        tokio::time::advance(Duration::from_secs(2)).await;
        let mut headers = HeaderMap::new();

        told.write(&mut headers);

        assert_eq!(headers[LEFT], "3000");
        assert_eq!(Told::read(&headers), Some(told));
        headers.remove(APP);
        assert_eq!(Told::read(&headers), None);
    }

    #[test]
    fn load_and_outcome_are_taken_out_of_an_answer() {
        let mut headers = HeaderMap::new();
        write_load(7, &mut headers);
        Outcome::Overloaded.write(&mut headers);

        assert_eq!(take(&mut headers), (Some(7), Some(Outcome::Overloaded)));
        assert!(headers.is_empty());
        assert_eq!(take(&mut headers), (None, None));
    }
}
