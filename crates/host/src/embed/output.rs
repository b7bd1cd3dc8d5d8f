//! What an embedded guest writes: passed on to this process's own streams, or dropped, its last words kept for errors.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use wisp_wasi::{Lines, Stream};

/// Bytes of standard error that are kept.
const KEPT: usize = 8 << 10;

/// Where an instance's output goes.
#[derive(Debug)]
pub(super) struct LastWords {
    pass_on: bool,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<String>,
    bytes: usize,
}

impl LastWords {
    pub(super) fn new(pass_on: bool) -> Self {
        Self {
            pass_on,
            kept: Mutex::default(),
        }
    }

    /// The end of what was written to standard error.
    pub(super) fn stderr(&self) -> String {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<&str> = kept.lines.iter().map(String::as_str).collect();
        lines.join("\n")
    }

    /// Keeps the end of what was captured of standard error.
    pub(super) fn said(&self, stderr: &[u8]) {
        for line in String::from_utf8_lossy(stderr).lines() {
            self.keep(line);
        }
    }

    fn keep(&self, text: &str) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += text.len();
        kept.lines.push_back(text.to_owned());
        while kept.bytes > KEPT && kept.lines.len() > 1 {
            let dropped = kept.lines.pop_front().map_or(0, |line| line.len());
            kept.bytes = kept.bytes.saturating_sub(dropped);
        }
    }
}

impl Lines for LastWords {
    fn line(&self, stream: Stream, text: &str) {
        if stream == Stream::Stderr {
            self.keep(text);
        }
        if !self.pass_on {
            return;
        }
        let line = format!("{text}\n");
        // A closed stream of ours is not the guest's fault.
        let _ = match stream {
            Stream::Stdout => std::io::stdout().write_all(line.as_bytes()),
            Stream::Stderr => std::io::stderr().write_all(line.as_bytes()),
        };
    }

    fn entry(&self, level: &str, context: &str, message: &str) {
        self.line(Stream::Stderr, &format!("{level}: {context}: {message}"));
    }
}
