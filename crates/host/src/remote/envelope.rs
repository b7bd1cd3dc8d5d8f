//! The envelope of a call: who calls what, until when, and what became of it.
//!
//! Both parts are JSON, because they are short, and so that a host may be told more than it knows: keys that it does not
//! know are passed over. What would change the meaning of a call needs another version, which hosts of this one refuse
//! before anything runs.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::errand::Errand;
use crate::telemetry::{RequestId, Trace};

/// The version of all that is said here, and of how values and frames are written.
pub(super) const VERSION: u32 = 1;
/// Remote calls that may lead to one another: apps that call each other in a circle end here.
pub(super) const MOST_HOPS: u8 = 16;
/// Bytes of a message: a trap's backtrace is longer than anybody reads.
const MOST_MESSAGE: usize = 4 << 10;
/// The longest time that a caller may wait, so that no number of it makes an instant that cannot be.
const MOST_PATIENCE: Duration = Duration::from_hours(24);

/// What is called.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Target {
    pub(super) app: String,
    pub(super) component: String,
    pub(super) interface: String,
    pub(super) function: String,
    /// [`Signature::digest`](crate::value::Signature::digest) of what the caller imports.
    pub(super) signature: String,
}

/// Who calls; the host is what its certificate says.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Caller {
    pub(super) app: String,
    pub(super) component: String,
}

/// What is said before the arguments.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Head {
    pub(super) version: u32,
    pub(super) target: Target,
    pub(super) caller: Caller,
    /// The same for each attempt at one call: 32 hexadecimal digits.
    pub(super) key: String,
    /// How long the caller waits from now on. A time of day would need clocks that agree.
    pub(super) patience_us: u64,
    /// The request that it all began with.
    #[serde(default)]
    pub(super) request: Option<String>,
    /// W3C's.
    #[serde(default)]
    pub(super) traceparent: Option<String>,
    /// Remote calls that led here, with this one.
    #[serde(default)]
    pub(super) hops: u8,
}

/// What is said of a call that too many others led to.
pub(super) fn circle() -> String {
    format!("{MOST_HOPS} remote calls led to this one: do they go in a circle?")
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

impl Head {
    /// Reads what another host wrote.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        let malformed = |error: serde_json::Error| {
            Refusal::new(Reason::Malformed, format!("the head of the call: {error}"))
        };
        let Version { version } = serde_json::from_slice(bytes).map_err(malformed)?;
        if version != VERSION {
            let message = format!("this host knows calls of version {VERSION}, not {version}");
            return Err(Refusal::new(Reason::Version, message));
        }
        let head: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        if RequestId::parse(head.key.as_bytes()).is_none() {
            return Err(Refusal::new(Reason::Malformed, "the call has no key"));
        }
        if head.hops > MOST_HOPS {
            return Err(Refusal::new(Reason::Denied, circle()));
        }
        Ok(head)
    }

    pub(super) fn write(&self) -> Bytes {
        // Text and numbers always make JSON.
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// What the callee works on.
    pub(super) fn errand(&self) -> Errand {
        let patience = Duration::from_micros(self.patience_us).min(MOST_PATIENCE);
        let (request, trace) = (self.request.as_ref(), self.traceparent.as_ref());
        Errand {
            request: request.and_then(|id| RequestId::parse(id.as_bytes())),
            deadline: Some(Instant::now() + patience),
            trace: trace.and_then(|trace| Trace::parse(trace.as_bytes())),
            hops: self.hops,
        }
    }
}

/// Why nothing ran.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Reason {
    /// The call is of a version that the host does not know.
    Version,
    /// It is not one.
    Malformed,
    /// The app, component or function is not there.
    Absent,
    /// The component is not offered to the caller.
    Denied,
    /// The function is of another type.
    Differs,
    /// The arguments are too large.
    Large,
    /// Too many calls are in progress.
    Busy,
    /// Something that a later version says.
    #[serde(other)]
    Other,
}

/// Said instead of an outcome: nothing ran.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Refusal {
    pub(super) reason: Reason,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(reason: Reason, message: impl Into<String>) -> Self {
        let message = shortened(message.into());
        Self { reason, message }
    }

    /// Whether another host may do it.
    pub(super) fn is_of_this_host_alone(&self) -> bool {
        matches!(self.reason, Reason::Absent | Reason::Busy)
    }
}

/// What became of a call.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(super) enum Outcome {
    /// The result follows.
    Returned,
    Refused(Refusal),
    Failed {
        message: String,
    },
    TimedOut {
        message: String,
    },
}

impl Outcome {
    pub(super) fn failed(message: impl Into<String>) -> Self {
        let message = shortened(message.into());
        Self::Failed { message }
    }

    pub(super) fn timed_out(message: impl Into<String>) -> Self {
        let message = shortened(message.into());
        Self::TimedOut { message }
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    pub(super) fn write(&self) -> Bytes {
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}

fn shortened(mut message: String) -> String {
    if message.len() > MOST_MESSAGE {
        let end = (0..=MOST_MESSAGE).rev();
        let end = end.into_iter().find(|end| message.is_char_boundary(*end));
        message.truncate(end.unwrap_or(0));
        message.push_str(" ...");
    }
    message
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head() -> Head {
        Head {
            version: VERSION,
            target: Target {
                app: "billing".into(),
                component: "invoices".into(),
                interface: "acme:billing/invoices@1.0.0".into(),
                function: "total".into(),
                signature: "00".into(),
            },
            caller: Caller {
                app: "shop".into(),
                component: "cart".into(),
            },
            key: RequestId::next().to_string(),
            patience_us: 1_000_000,
            request: None,
            traceparent: None,
            hops: 1,
        }
    }

    #[test]
    fn a_head_is_read_as_it_was_written() {
        let head = head();

        assert_eq!(Head::read(&head.write()), Ok(head));
    }

    #[test]
    fn keys_of_a_later_host_are_passed_over() {
        let mut told = serde_json::to_value(head()).unwrap();
        told["later"] = serde_json::json!({"more": [1, 2]});

        let read = Head::read(told.to_string().as_bytes());

        assert!(read.is_ok(), "{read:?}");
    }

    #[test]
    fn another_version_is_refused_whatever_else_it_says() {
        let refusal = Head::read(br#"{"version": 2, "all": "different"}"#).unwrap_err();

        assert_eq!(refusal.reason, Reason::Version);
        assert_eq!(refusal.message, "this host knows calls of version 1, not 2");
    }

    #[test]
    fn calls_that_go_in_a_circle_from_host_to_host_end() {
        let head = Head {
            hops: MOST_HOPS + 1,
            ..head()
        };

        let refusal = Head::read(&head.write()).unwrap_err();

        assert_eq!(refusal.reason, Reason::Denied);
    }

    #[test]
    fn a_caller_cannot_wait_for_longer_than_time_goes() {
        let head = Head {
            patience_us: u64::MAX,
            ..head()
        };

        let deadline = head.errand().deadline.unwrap();

        assert!(deadline <= Instant::now() + MOST_PATIENCE);
    }

    #[test]
    fn a_reason_of_a_later_host_is_no_error() {
        let later = br#"{"outcome": "refused", "reason": "moon", "message": "no"}"#;

        let expected = Outcome::Refused(Refusal::new(Reason::Other, "no"));
        assert_eq!(Outcome::read(later).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn bytes_of_a_stranger_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Head::read(&bytes);
            let _ = Outcome::read(&bytes);
        }

        #[test]
        fn a_head_with_any_byte_changed_is_read_or_refused(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = head().write().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;

            let _ = Head::read(&bytes).map(|head| head.errand());
        }

        #[test]
        fn a_message_of_any_length_is_sent_short(text in "\\PC{0,3000}", times in 1..5_usize) {
            let outcome = Outcome::failed(text.repeat(times));

            prop_assert!(outcome.write().len() < 8 * MOST_MESSAGE);
            prop_assert_eq!(Outcome::read(&outcome.write()).unwrap(), outcome);
        }
    }
}
