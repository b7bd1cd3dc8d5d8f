//! What a call is made of on its way: frames, each a kind, a length and so many bytes.
//!
//! A length is looked at before anything is kept, so that another host makes us keep no more than what is being waited for.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use thiserror::Error;

/// Bytes of a head, an outcome, or a reason.
pub(super) const MOST_WORDS: usize = 64 << 10;
/// Bytes of values of one frame: what a guest may pass in one call takes at least as much memory.
pub(super) const MOST_VALUES: usize = crate::value::MOST_MEMORY;
/// Bytes of a piece of a stream: guests write at most 64 KiB at once, and one text of any length.
pub(super) const MOST_PIECE: usize = 1 << 20;
/// A kind and a length.
const PREFIX: usize = 5;
/// The number of a stream.
const NUMBER: usize = 4;

/// One frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Frame {
    /// Who calls what.
    Head(Bytes),
    /// Arguments, or a result.
    Values(Bytes),
    /// What became of the call.
    Outcome(Bytes),
    /// Items of a stream, or the value of a future.
    Piece(u32, Bytes),
    /// There are no more.
    End(u32),
    /// The piece was taken: the next one may come.
    More(u32),
    /// Nobody reads any more.
    Closed(u32),
    /// The streams will not be completed.
    Lost(Bytes),
}

/// What is wrong with what came.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub(super) enum FrameError {
    #[error("it sent what is no frame of a call")]
    Unknown,
    #[error("it sent {0} bytes where at most {1} are expected")]
    Large(usize, usize),
    #[error("it sent a frame that is none")]
    Malformed,
    #[error("the connection ended within a frame")]
    Torn,
    #[error("the connection broke: {0}")]
    Broken(String),
}

impl Frame {
    fn kind(&self) -> u8 {
        match self {
            Self::Head(_) => 1,
            Self::Values(_) => 2,
            Self::Outcome(_) => 3,
            Self::Piece(..) => 4,
            Self::End(_) => 5,
            Self::More(_) => 6,
            Self::Closed(_) => 7,
            Self::Lost(_) => 8,
        }
    }

    /// As it goes over the line.
    pub(super) fn write(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.write_behind(&mut out);
        out.freeze()
    }

    /// The same behind others.
    pub(super) fn write_behind(&self, out: &mut BytesMut) {
        let (number, bytes) = match self {
            Self::Head(bytes) | Self::Values(bytes) | Self::Outcome(bytes) | Self::Lost(bytes) => {
                (None, bytes.clone())
            }
            Self::Piece(number, bytes) => (Some(*number), bytes.clone()),
            Self::End(number) | Self::More(number) | Self::Closed(number) => {
                (Some(*number), Bytes::new())
            }
        };
        let length = bytes.len() + number.map_or(0, |_| NUMBER);
        out.reserve(PREFIX + length);
        out.put_u8(self.kind());
        // Who reads refuses what is longer than this can say long before.
        out.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
        if let Some(number) = number {
            out.put_u32(number);
        }
        out.put(bytes);
    }

    /// The frame that stands first, when all of it is there; values have at most so many bytes.
    fn read(bytes: &mut BytesMut, values: usize) -> Result<Option<Self>, FrameError> {
        let Some(&[kind, a, b, c, d]) = bytes.first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let most = match kind {
            1 | 3 | 8 => MOST_WORDS,
            2 => values,
            4 => MOST_PIECE + NUMBER,
            5..=7 => NUMBER,
            _ => return Err(FrameError::Unknown),
        };
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if length > most {
            return Err(FrameError::Large(length, most));
        }
        if bytes.len() < PREFIX + length {
            return Ok(None);
        }
        bytes.advance(PREFIX);
        let mut bytes = bytes.split_to(length).freeze();
        if (4..=7).contains(&kind) && bytes.len() < NUMBER {
            return Err(FrameError::Malformed);
        }
        Ok(Some(match kind {
            1 => Self::Head(bytes),
            2 => Self::Values(bytes),
            3 => Self::Outcome(bytes),
            4 => Self::Piece(bytes.get_u32(), bytes),
            5 => Self::End(bytes.get_u32()),
            6 => Self::More(bytes.get_u32()),
            7 => Self::Closed(bytes.get_u32()),
            _ => Self::Lost(bytes),
        }))
    }
}

/// The frames of a body, as they come.
#[derive(Debug)]
pub(super) struct Frames<B> {
    body: B,
    buffer: BytesMut,
}

impl<B> Frames<B>
where
    B: Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
{
    pub(super) fn new(body: B) -> Self {
        let buffer = BytesMut::new();
        Self { body, buffer }
    }

    /// The next frame, when there is one; values have at most so many bytes. Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self, values: usize) -> Result<Option<Frame>, FrameError> {
        loop {
            if let Some(frame) = Frame::read(&mut self.buffer, values)? {
                return Ok(Some(frame));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.keep(data);
                    }
                }
                Some(Err(error)) => return Err(FrameError::Broken(error.to_string())),
                None if self.buffer.is_empty() => return Ok(None),
                None => return Err(FrameError::Torn),
            }
        }
    }

    fn keep(&mut self, data: Bytes) {
        if self.buffer.is_empty() {
            // Costs no copy where nobody else holds them.
            self.buffer = data.into();
        } else {
            self.buffer.extend_from_slice(&data);
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{Full, StreamBody};
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn frames() -> impl Strategy<Value = Frame> {
        let bytes = || vec(any::<u8>(), 0..200).prop_map(Bytes::from);
        prop_oneof![
            bytes().prop_map(Frame::Head),
            bytes().prop_map(Frame::Values),
            bytes().prop_map(Frame::Outcome),
            (any::<u32>(), bytes()).prop_map(|(number, bytes)| Frame::Piece(number, bytes)),
            any::<u32>().prop_map(Frame::End),
            any::<u32>().prop_map(Frame::More),
            any::<u32>().prop_map(Frame::Closed),
            bytes().prop_map(Frame::Lost),
        ]
    }

    fn wait<F: Future>(future: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.build().unwrap();
        runtime.block_on(future)
    }

    /// All frames of a body that comes in pieces of this size, and what is wrong behind them.
    fn read(bytes: &[u8], size: usize) -> (Vec<Frame>, Option<FrameError>) {
        let pieces: Vec<_> = bytes
            .chunks(size)
            .map(|piece| {
                Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::copy_from_slice(piece)))
            })
            .collect();
        let mut frames = Frames::new(StreamBody::new(futures::stream::iter(pieces)));
        let mut read = Vec::new();
        wait(async {
            loop {
                match frames.next(MOST_VALUES).await {
                    Ok(Some(frame)) => read.push(frame),
                    Ok(None) => return (std::mem::take(&mut read), None),
                    Err(error) => return (std::mem::take(&mut read), Some(error)),
                }
            }
        })
    }

    fn first(bytes: &'static [u8], values: usize) -> Result<Option<Frame>, FrameError> {
        let mut frames = Frames::new(Full::new(Bytes::from_static(bytes)));
        wait(frames.next(values))
    }

    #[test]
    fn a_length_past_what_is_expected_is_refused_before_its_bytes_come() {
        assert_eq!(
            first(&[2, 0, 0, 1, 0], 255),
            Err(FrameError::Large(256, 255))
        );
        assert_eq!(
            first(&[5, 0xff, 0xff, 0xff, 0xff], 0),
            Err(FrameError::Large(u32::MAX as usize, 4))
        );
    }

    #[test]
    fn a_frame_without_its_number_and_one_of_no_kind_are_refused() {
        assert_eq!(first(&[6, 0, 0, 0, 1, 0], 0), Err(FrameError::Malformed));
        assert_eq!(first(&[9, 0, 0, 0, 0], 0), Err(FrameError::Unknown));
        assert_eq!(first(&[1, 0, 0, 0, 2, 0], 0), Err(FrameError::Torn));
    }

    proptest! {
        #[test]
        fn frames_are_read_as_they_were_written_however_they_come(frames in vec(frames(), 0..8), size in 1..100_usize) {
            let mut bytes = BytesMut::new();
            for frame in &frames {
                frame.write_behind(&mut bytes);
            }

            prop_assert_eq!(read(&bytes, size), (frames, None));
        }

        #[test]
        fn bytes_of_a_stranger_are_frames_or_an_error(bytes in vec(any::<u8>(), 0..300), size in 1..50_usize) {
            let (frames, _) = read(&bytes, size);

            prop_assert!(frames.len() <= bytes.len() / PREFIX);
        }
    }
}
