//! Reads an answer from what has arrived of it so far, and says whether it is the one that is wanted.

/// What every server that is measured says.
pub const GREETING: &[u8] = b"Hello, world!";
const HEADERS: usize = 32;

/// What the bytes that have arrived are.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// The beginning of an answer.
    Partial,
    /// A whole answer.
    Whole {
        /// Whether it is 200 with the greeting.
        is_good: bool,
        /// Whether the server ends the connection after it.
        closes: bool,
    },
    /// No answer of HTTP/1.1 whose end can be known.
    Broken,
}

/// Reads an answer.
#[must_use]
pub fn read(bytes: &[u8]) -> Answer {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let start = match response.parse(bytes) {
        Ok(httparse::Status::Complete(start)) => start,
        Ok(httparse::Status::Partial) => return Answer::Partial,
        Err(_) => return Answer::Broken,
    };
    let header = |name: &str| {
        response
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value)
    };
    let rest = bytes.get(start..).unwrap_or_default();
    let body = match (header("content-length"), header("transfer-encoding")) {
        (Some(length), None) => counted(rest, length),
        (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") => chunked(rest),
        _ => Body::Broken,
    };
    match body {
        Body::Partial => Answer::Partial,
        Body::Broken => Answer::Broken,
        Body::Whole(is_greeting) => Answer::Whole {
            is_good: response.code == Some(200) && is_greeting,
            closes: header("connection").is_some_and(|value| value.eq_ignore_ascii_case(b"close")),
        },
    }
}

enum Body {
    Partial,
    /// Whether it is the greeting and nothing else.
    Whole(bool),
    Broken,
}

fn counted(bytes: &[u8], length: &[u8]) -> Body {
    match std::str::from_utf8(length)
        .ok()
        .and_then(|text| text.trim().parse::<usize>().ok())
    {
        None => Body::Broken,
        Some(length) if bytes.len() < length => Body::Partial,
        // Nothing was asked for that more bytes could belong to.
        Some(length) if bytes.len() > length => Body::Broken,
        Some(_) => Body::Whole(bytes == GREETING),
    }
}

fn chunked(mut bytes: &[u8]) -> Body {
    let mut expected = GREETING;
    let mut is_greeting = true;
    loop {
        let (start, size) = match httparse::parse_chunk_size(bytes) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Body::Partial,
            Err(_) => return Body::Broken,
        };
        let Ok(size) = usize::try_from(size) else {
            return Body::Broken;
        };
        let rest = bytes.get(start..).unwrap_or_default();
        let Some((chunk, rest)) = rest.split_at_checked(size) else {
            return Body::Partial;
        };
        let Some((end, rest)) = rest.split_at_checked(2) else {
            return Body::Partial;
        };
        // Trailers are not used by any server here.
        if end != b"\r\n" || (size == 0 && !rest.is_empty()) {
            return Body::Broken;
        }
        if size == 0 {
            return Body::Whole(is_greeting && expected.is_empty());
        }
        match expected.strip_prefix(chunk) {
            Some(left) => expected = left,
            None => is_greeting = false,
        }
        bytes = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, read};

    const GOOD: Answer = Answer::Whole {
        is_good: true,
        closes: false,
    };
    const BAD: Answer = Answer::Whole {
        is_good: false,
        closes: false,
    };

    #[test]
    fn the_greeting_is_good_however_its_length_is_told() {
        assert_eq!(
            read(b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, world!"),
            GOOD
        );
        assert_eq!(read(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nd\r\nHello, world!\r\n0\r\n\r\n"), GOOD);
        assert_eq!(
            read(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nHello\r\n8\r\n, world!\r\n0\r\n\r\n"),
            GOOD
        );
    }

    #[test]
    fn another_body_or_status_is_not_good() {
        assert_eq!(
            read(b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\nHello, World!"),
            BAD
        );
        assert_eq!(
            read(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nHello"),
            BAD
        );
        assert_eq!(
            read(b"HTTP/1.1 503 No\r\ncontent-length: 13\r\n\r\nHello, world!"),
            BAD
        );
        assert_eq!(
            read(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nHello\r\n0\r\n\r\n"),
            BAD
        );
        assert_eq!(
            read(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
            BAD
        );
    }

    #[test]
    fn no_beginning_of_an_answer_is_taken_for_a_whole_one() {
        let answers: [&[u8]; 2] = [
            b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\nHello, world!",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nd\r\nHello, world!\r\n0\r\n\r\n",
        ];

        for answer in answers {
            for end in 0..answer.len() {
                assert_eq!(read(&answer[..end]), Answer::Partial, "{end} bytes");
            }
        }
    }

    #[test]
    fn an_answer_whose_end_cannot_be_known_is_broken() {
        assert_eq!(
            read(b"HTTP/1.1 200 OK\r\n\r\nHello, world!"),
            Answer::Broken
        );
        assert_eq!(
            read(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nHello, world!"),
            Answer::Broken
        );
        assert_eq!(read(b"SSH-2.0-OpenSSH_9.6\r\n"), Answer::Broken);
    }

    #[test]
    fn a_server_that_ends_the_connection_is_believed() {
        let answer =
            b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 13\r\n\r\nHello, world!";

        assert_eq!(
            read(answer),
            Answer::Whole {
                is_good: true,
                closes: true
            }
        );
    }
}
