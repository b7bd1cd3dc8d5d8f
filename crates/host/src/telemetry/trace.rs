//! Which trace a call belongs to, as W3C's `traceparent` says it.

use std::fmt;

use super::RequestId;

/// Bits that we know of the flags: whether it is sampled.
const SAMPLED: u8 = 1;

/// One step of a trace.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Trace {
    id: RequestId,
    span: u64,
    flags: u8,
}

impl Trace {
    /// The trace that begins with a request that belonged to none.
    pub(crate) fn of(request: RequestId) -> Self {
        Self {
            id: request,
            span: request.low | 1 << 63,
            flags: 0,
        }
    }

    /// Reads a `traceparent`; what is none, or means none, is `None`.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let mut parts = text.split('-');
        let (version, trace) = (parts.next()?, parts.next()?);
        let (span, flags) = (parts.next()?, parts.next()?);
        // Later versions may have more; the first has not.
        let fits =
            version.len() == 2 && version != "ff" && (version != "00" || parts.next().is_none());
        if !fits || span.len() != 16 || flags.len() != 2 {
            return None;
        }
        let trace = RequestId::parse(trace.as_bytes())?;
        digits(version)?;
        let (span, flags) = (digits(span)?, digits(flags)?);
        let whole = (trace.high, trace.low) != (0, 0) && span != 0;
        whole.then_some(Self {
            id: trace,
            span,
            flags: u8::try_from(flags).ok()? & SAMPLED,
        })
    }

    /// The next step of the same trace.
    #[must_use]
    pub(crate) fn next(self) -> Self {
        // As likely to be taken as any other random number.
        let step = RequestId::next();
        let span = (step.high ^ step.low.wrapping_mul(0x9e37_79b9_7f4a_7c15)).max(1);
        Self { span, ..self }
    }
}

/// Lower-case hexadecimal digits.
fn digits(text: &str) -> Option<u64> {
    let valid = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if !text.bytes().all(valid) {
        return None;
    }
    u64::from_str_radix(text, 16).ok()
}

/// As a `traceparent` of version 00.
impl fmt::Display for Trace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, span, flags } = self;
        write!(formatter, "00-{id}-{span:016x}-{flags:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_trace_is_read_and_written_as_it_was() {
        let trace = Trace::parse(GIVEN.as_bytes()).map(|trace| trace.to_string());

        assert_eq!(trace.as_deref(), Some(GIVEN));
    }

    #[test]
    fn the_next_step_is_another_one_of_the_same_trace() {
        let trace = Trace::parse(GIVEN.as_bytes()).unwrap();

        let next = trace.next();

        assert_ne!(next.span, trace.span);
        assert_eq!((next.id, next.flags), (trace.id, trace.flags));
        assert_eq!(Trace::parse(next.to_string().as_bytes()), Some(next));
    }

    #[test]
    fn a_request_without_a_trace_begins_one_that_has_its_id() {
        let request = RequestId::next();

        let trace = Trace::of(request).to_string();

        assert!(trace.starts_with(&format!("00-{request}-")), "{trace}");
        assert!(Trace::parse(trace.as_bytes()).is_some());
    }

    #[test]
    fn what_is_no_trace_is_none() {
        for wrong in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-+7ad6b7169203331-01",
        ] {
            assert_eq!(Trace::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
