//! What can be seen from outside: the identity of each request, log lines, counters.

mod clock;
mod excesses;
mod line;
mod log;
mod metrics;
mod refusals;
mod throttle;
mod trace;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use excesses::Excesses;
pub use line::AccessLine;
pub(crate) use line::Whose;
pub use log::Log;
pub use metrics::Metrics;
pub(crate) use metrics::{Counters, Outcome};
pub(crate) use refusals::Refusals;
pub(crate) use throttle::Throttle;
pub(crate) use trace::Trace;

/// Identity of one request, the same in headers, log lines and problem details: 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct RequestId {
    high: u64,
    low: u64,
}

impl RequestId {
    /// A new one: random for this process, then counting, which costs nothing and cannot repeat.
    ///
    /// It is not a secret: whoever sees one can guess the next.
    pub fn next() -> Self {
        static PROCESS: OnceLock<u64> = OnceLock::new();
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        // The keys of `RandomState` come from the operating system's random numbers.
        let high = *PROCESS.get_or_init(|| RandomState::new().hash_one(std::process::id()));
        Self {
            high,
            low: COUNTER.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Reads what another host wrote; anything but 32 lower-case hexadecimal digits is `None`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() != 32 || text.iter().any(u8::is_ascii_uppercase) {
            return None;
        }
        let text = std::str::from_utf8(text).ok()?;
        if text.bytes().any(|byte| !byte.is_ascii_hexdigit()) {
            return None;
        }
        let value = u128::from_str_radix(text, 16).ok()?;
        let high = u64::try_from(value >> 64).ok()?;
        let low = u64::try_from(value & u128::from(u64::MAX)).ok()?;
        Some(Self { high, low })
    }

    /// The 32 digits as bytes.
    pub fn digits(self) -> [u8; 32] {
        let mut digits = [b'0'; 32];
        let value = (u128::from(self.high) << 64) | u128::from(self.low);
        for (index, digit) in digits.iter_mut().rev().enumerate() {
            let nibble = u8::try_from((value >> (4 * index)) & 0xf).unwrap_or_default();
            *digit = if nibble < 10 {
                b'0' + nibble
            } else {
                b'a' + nibble - 10
            };
        }
        digits
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(std::str::from_utf8(&self.digits()).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_32_hexadecimal_digits_and_differ() {
        let (first, second) = (RequestId::next(), RequestId::next());

        assert_ne!(first, second);
        assert_eq!(first.to_string().len(), 32);
        assert_eq!(first.to_string().as_bytes(), first.digits());
    }

    #[test]
    fn a_request_id_is_read_back_and_anything_else_is_refused() {
        let id = RequestId::next();

        assert_eq!(RequestId::parse(&id.digits()), Some(id));
        assert_eq!(RequestId::parse(b"0123456789abcdef"), None);
        assert_eq!(RequestId::parse(b"0123456789ABCDEF0123456789ABCDEF"), None);
        assert_eq!(RequestId::parse(b"+123456789abcdef0123456789abcdef"), None);
        assert_eq!(
            RequestId::parse("0123456789abcdef0123456789abcé".as_bytes()),
            None
        );
    }
}
