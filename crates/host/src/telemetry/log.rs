//! The log of one process: lines are formed where they arise and written by a thread of their own.
//!
//! Whoever logs appends to a buffer in memory and goes on; the writer takes the whole buffer a few milliseconds after
//! the first line came, so that a busy host writes many lines at once. The buffer is bounded: when the reader of the
//! log does not keep up, lines are dropped and counted, because a slow terminal must never slow down a request.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use wisp_wasi::Denial;

use super::RequestId;
use super::Whose;
use super::line::{AccessLine, Event, Style};
use crate::settings::{LogFormat, LogSettings};

/// Bytes that wait to be written before access lines are dropped.
const ACCESS_BYTES: usize = 1 << 20;
/// Bytes that wait to be written before any line is dropped.
const MOST_BYTES: usize = 4 << 20;
/// Bytes of one line of a guest; longer ones are cut into several.
const GUEST_LINE: usize = 16 << 10;
/// Bytes of the context of an entry.
const LONGEST_CONTEXT: usize = 256;
/// How long the writer collects lines before it writes.
const COLLECT: Duration = Duration::from_millis(5);
/// How long [`Log::flush`] waits for a reader that does not read.
const FLUSH: Duration = Duration::from_secs(2);
/// Several processes write to one pipe: what is not longer than this is never torn apart by another's lines.
const ATOMIC: usize = 4096;

#[derive(Debug, Default)]
struct Buffer {
    lines: String,
    dropped: u64,
    /// The writer has taken lines and not yet written them.
    writing: bool,
    closed: bool,
}

impl Buffer {
    fn is_settled(&self) -> bool {
        self.lines.is_empty() && self.dropped == 0 && !self.writing
    }
}

#[derive(Debug)]
struct Shared {
    style: Style,
    access: bool,
    buffer: Mutex<Buffer>,
    filled: Condvar,
    settled: Condvar,
}

/// A handle of the log; clones share it. When the last one is dropped, the writer ends.
#[derive(Clone, Debug)]
pub struct Log {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.filled.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, event: &Event<'_>, most: usize) {
        let mut buffer = self.lock();
        if buffer.lines.len() >= most {
            buffer.dropped += 1;
            return;
        }
        let first = buffer.lines.is_empty();
        self.style
            .write(event, SystemTime::now(), &mut buffer.lines);
        drop(buffer);
        if first {
            self.filled.notify_one();
        }
    }

    /// Waits for lines and takes them; `None` at the end.
    fn take(&self) -> Option<String> {
        let mut buffer = self.lock();
        buffer.writing = false;
        self.settled.notify_all();
        while buffer.lines.is_empty() && !buffer.closed {
            buffer = self
                .filled
                .wait(buffer)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if !buffer.closed {
            let waited = self
                .filled
                .wait_timeout_while(buffer, COLLECT, |buffer| !buffer.closed);
            buffer = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if buffer.lines.is_empty() {
            return None;
        }
        let dropped = std::mem::take(&mut buffer.dropped);
        let mut lines = std::mem::take(&mut buffer.lines);
        buffer.writing = true;
        drop(buffer);
        if dropped > 0 {
            let message =
                format!("{dropped} log lines were dropped, because nobody read them in time");
            let warning = Event::Worker {
                whose: Whose::default(),
                level: "warning",
                message: &message,
            };
            self.style.write(&warning, SystemTime::now(), &mut lines);
        }
        Some(lines)
    }

    fn write_until_closed(&self, mut sink: Box<dyn Write + Send>) {
        while let Some(lines) = self.take() {
            // There is nowhere to complain when the log itself cannot be written.
            let _ = sink.write_all(lines.as_bytes()).and_then(|()| sink.flush());
        }
        self.settled.notify_all();
    }
}

impl Log {
    /// A log on descriptor 1 of this process.
    pub fn start(settings: &LogSettings, worker: u32) -> Self {
        Self::writing_to(settings, worker, Box::new(Descriptor::stdout()))
    }

    /// A log that writes somewhere else.
    pub fn writing_to(settings: &LogSettings, worker: u32, sink: Box<dyn Write + Send>) -> Self {
        let json = settings.format == LogFormat::Json;
        let shared = Arc::new(Shared {
            style: Style {
                json,
                color: settings.color && !json,
                worker,
            },
            access: settings.access,
            buffer: Mutex::default(),
            filled: Condvar::new(),
            settled: Condvar::new(),
        });
        let writer = shared.clone();
        // Without a writer the buffer fills up and lines are dropped: a host that cannot start one more thread has
        // other problems than its log.
        let _ = std::thread::Builder::new()
            .name("log".into())
            .spawn(move || writer.write_until_closed(sink));
        Self {
            handle: Arc::new(Handle { shared }),
        }
    }

    /// Whether access lines are wanted, so that nobody collects what they need in vain.
    pub fn wants_access(&self) -> bool {
        self.handle.shared.access
    }

    /// A finished exchange.
    pub fn access(&self, line: AccessLine<'_>) {
        if self.handle.shared.access {
            self.handle
                .shared
                .append(&Event::Access(line), ACCESS_BYTES);
        }
    }

    /// What a guest wrote to `stream`, one line or several.
    pub(crate) fn guest(&self, whose: Whose<'_>, stream: &str, text: &str) {
        for line in text.lines() {
            let mut rest = line;
            loop {
                let (message, next) = rest.split_at(rest.floor_char_boundary(GUEST_LINE));
                let event = Event::Guest {
                    whose,
                    stream,
                    message,
                };
                self.handle.shared.append(&event, MOST_BYTES);
                rest = next;
                if rest.is_empty() {
                    break;
                }
            }
        }
    }

    /// What a guest logged with a level and a context: one line, whatever is in it.
    pub(crate) fn entry(&self, whose: Whose<'_>, level: &str, context: &str, message: &str) {
        let (context, _) = context.split_at(context.floor_char_boundary(LONGEST_CONTEXT));
        let (message, _) = message.split_at(message.floor_char_boundary(GUEST_LINE));
        let event = Event::Entry {
            whose,
            level,
            context,
            message,
        };
        self.handle.shared.append(&event, MOST_BYTES);
    }

    /// What this process has to say about itself.
    pub fn worker(&self, level: &str, message: &str) {
        self.say(Whose::default(), level, message);
    }

    /// Why a component failed to answer a request: what its client is not told.
    pub fn failure(&self, app: &str, component: &str, id: RequestId, message: &str) {
        let whose = Whose {
            app: Some(app),
            component: Some(component),
            id: Some(id),
        };
        self.say(whose, "error", message);
    }

    /// What a component should know about itself.
    pub(crate) fn warning(&self, app: &str, component: &str, message: &str) {
        let whose = Whose {
            app: Some(app),
            component: Some(component),
            id: None,
        };
        self.say(whose, "warning", message);
    }

    /// What went wrong for a component and belongs to no request.
    pub fn fault(&self, app: &str, component: &str, message: &str) {
        let whose = Whose {
            app: Some(app),
            component: Some(component),
            id: None,
        };
        self.say(whose, "error", message);
    }

    /// What a component was refused, and how it would be granted.
    pub fn refusal(&self, app: &str, component: &str, denial: Denial<'_>) {
        let whose = Whose {
            app: Some(app),
            component: Some(component),
            id: None,
        };
        let event = Event::Refusal { whose, denial };
        self.handle.shared.append(&event, MOST_BYTES);
    }

    fn say(&self, whose: Whose<'_>, level: &str, message: &str) {
        let event = Event::Worker {
            whose,
            level,
            message,
        };
        self.handle.shared.append(&event, MOST_BYTES);
    }

    /// Waits until every line is written; called before the process ends.
    pub fn flush(&self) {
        let shared = &self.handle.shared;
        let buffer = shared.lock();
        // When the reader is stuck there is nothing better to do than to give up.
        let _ = shared
            .settled
            .wait_timeout_while(buffer, FLUSH, |buffer| !buffer.is_settled());
    }
}

/// A descriptor that other processes write to as well.
#[derive(Debug)]
struct Descriptor {
    file: Option<File>,
    is_pipe: bool,
}

impl Descriptor {
    fn stdout() -> Self {
        let file = io::stdout()
            .as_fd()
            .try_clone_to_owned()
            .ok()
            .map(File::from);
        let kind = file.as_ref().and_then(|file| file.metadata().ok());
        let is_pipe = kind.is_some_and(|metadata| metadata.file_type().is_fifo());
        Self { file, is_pipe }
    }
}

impl Write for Descriptor {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(file) = &mut self.file else {
            return Ok(bytes.len());
        };
        let whole_lines = if self.is_pipe {
            whole_lines(bytes)
        } else {
            bytes
        };
        match file.write(whole_lines) {
            // Somebody made the descriptor that we share non-blocking: its reader is slow, which only delays this thread.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                std::thread::sleep(COLLECT);
                Err(io::ErrorKind::Interrupted.into())
            }
            other => other,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// As many whole lines as a pipe takes in one piece; a longer line is taken alone.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    if bytes.len() <= ATOMIC {
        return bytes;
    }
    let is_feed = |byte: &u8| *byte == b'\n';
    let fitting = bytes
        .get(..ATOMIC)
        .and_then(|head| head.iter().rposition(is_feed));
    let end = fitting
        .or_else(|| bytes.iter().position(is_feed))
        .map_or(bytes.len(), |feed| feed + 1);
    bytes.get(..end).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const TEXT: LogSettings = LogSettings {
        format: LogFormat::Text,
        access: true,
        color: false,
    };

    /// Keeps what was written; can be held shut like a reader that does not read.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Page {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    #[test]
    fn everything_is_written_after_a_flush() {
        let page = Page::default();
        let log = Log::writing_to(&TEXT, 0, Box::new(page.clone()));

        for number in 0..1000 {
            log.worker("info", &format!("line {number}"));
        }
        log.flush();

        assert_eq!(page.text().lines().count(), 1000);
        assert!(page.text().ends_with("line 999\n"));
    }

    #[test]
    fn lines_of_guests_are_split_and_bounded() {
        let page = Page::default();
        let log = Log::writing_to(&TEXT, 0, Box::new(page.clone()));

        let whose = Whose {
            app: Some("app"),
            component: Some("c"),
            id: None,
        };

        log.guest(
            whose,
            "stdout",
            &format!("first\n{}", "é".repeat(GUEST_LINE)),
        );
        log.flush();

        let lengths: Vec<_> = page
            .text()
            .lines()
            .map(|line| line.split_once("| ").unwrap().1.len())
            .collect();
        assert_eq!(lengths, [5, GUEST_LINE, GUEST_LINE]);
    }

    #[test]
    fn a_reader_that_does_not_read_costs_lines_and_is_told_how_many() {
        struct Gate(Page, mpsc::Receiver<()>);
        impl Write for Gate {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                // Closed for good when the sender is gone.
                let _ = self.1.recv();
                self.0.write(bytes)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let page = Page::default();
        let (open, gate) = mpsc::channel();
        let log = Log::writing_to(&TEXT, 0, Box::new(Gate(page.clone(), gate)));
        let message = "x".repeat(1000);

        for _ in 0..20_000 {
            log.worker("info", &message);
        }
        drop(open);
        log.flush();

        let text = page.text();
        let dropped: usize = text
            .lines()
            .filter_map(|line| {
                line.split_once("warning: ")?
                    .1
                    .split_once(" log lines")?
                    .0
                    .parse::<usize>()
                    .ok()
            })
            .sum();
        assert!(dropped > 0, "nothing was dropped");
        assert_eq!(
            text.lines().filter(|line| line.contains("xxx")).count() + dropped,
            20_000
        );
    }

    #[test]
    fn access_lines_can_be_switched_off() {
        let log = Log::writing_to(
            &LogSettings {
                access: false,
                ..TEXT
            },
            0,
            Box::new(io::sink()),
        );

        assert!(!log.wants_access());
    }

    #[test]
    fn a_pipe_gets_whole_lines() {
        let line = [b'x'; 1499]
            .iter()
            .chain(b"\n")
            .copied()
            .collect::<Vec<u8>>();
        let long = vec![b'y'; 10_000];

        assert_eq!(whole_lines(&line.repeat(2)).len(), 3000);
        assert_eq!(whole_lines(&line.repeat(4)).len(), 3000);
        assert_eq!(whole_lines(&[&long[..], b"\nz"].concat()).len(), 10_001);
        assert_eq!(whole_lines(&long).len(), 10_000);
    }
}
