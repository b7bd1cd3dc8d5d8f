//! The form of one log line, as JSON or as text.

use std::fmt::{self, Write};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use wisp_wasi::Denial;

use super::RequestId;
use super::clock::Clock;

/// One finished exchange.
#[derive(Clone, Copy, Debug)]
pub struct AccessLine<'a> {
    /// The app, where a route was found.
    pub app: Option<&'a str>,
    /// The component, where a route was found.
    pub component: Option<&'a str>,
    /// Identity of the request.
    pub id: RequestId,
    /// Method of the request.
    pub method: &'a str,
    /// Path of the request; never the query, which may hold secrets.
    pub path: &'a str,
    /// The route as the manifest has it.
    pub route: Option<&'a str>,
    /// Status that was sent, or 499 when the client went away first.
    pub status: u16,
    /// Whether the response ended too early by our own fault.
    pub aborted: bool,
    /// From the head of the request to the last byte of the response.
    pub duration: Duration,
    /// Bytes of the request body that were read.
    pub bytes_in: u64,
    /// Bytes of the response body that were sent.
    pub bytes_out: u64,
    /// Address of the client.
    pub client: IpAddr,
    /// `HTTP/1.1` and so on.
    pub protocol: &'a str,
}

/// Everything that becomes a line.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event<'a> {
    Access(AccessLine<'a>),
    Guest {
        whose: Whose<'a>,
        stream: &'a str,
        message: &'a str,
    },
    Entry {
        whose: Whose<'a>,
        level: &'a str,
        context: &'a str,
        message: &'a str,
    },
    Worker {
        whose: Whose<'a>,
        level: &'a str,
        message: &'a str,
    },
    Refusal {
        whose: Whose<'a>,
        denial: Denial<'a>,
    },
}

/// A refusal as a sentence.
fn refusal(whose: Whose<'_>, denial: Denial<'_>) -> String {
    let component = whose.component.unwrap_or("-");
    let Denial {
        import,
        target,
        grant,
        table,
    } = denial;
    let refused = format!("{component} may not use {import} for {target}");
    if grant.is_empty() {
        return refused;
    }
    let table = table.key();
    format!("{refused}; add `{grant}` to [component.{component}.{table}] to allow it")
}

/// What a line is about; nothing of it when a process speaks about itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Whose<'a> {
    pub(crate) app: Option<&'a str>,
    pub(crate) component: Option<&'a str>,
    pub(crate) id: Option<RequestId>,
}

impl Whose<'_> {
    fn json(self, out: &mut String) -> fmt::Result {
        if let (Some(app), Some(component)) = (self.app, self.component) {
            json_text(out, "app", app)?;
            json_text(out, "component", component)?;
        }
        match self.id {
            Some(id) => write!(out, ",\"request_id\":\"{id}\""),
            None => Ok(()),
        }
    }
}

/// What is the same for all lines of a log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) json: bool,
    pub(super) color: bool,
    pub(super) worker: u32,
}

impl Style {
    /// Appends one line with its line feed.
    pub(super) fn write(self, event: &Event<'_>, time: SystemTime, out: &mut String) {
        let time = Clock::at(time);
        // Writing into a string cannot fail.
        let _ = if self.json {
            self.json(event, time, out)
        } else {
            self.text(event, time, out)
        };
        out.push('\n');
    }

    fn json(self, event: &Event<'_>, time: Clock, out: &mut String) -> fmt::Result {
        write!(out, "{{\"time\":\"{time}Z\"")?;
        match event {
            Event::Access(line) => self.json_access(line, out)?,
            Event::Guest {
                whose,
                stream,
                message,
            } => {
                out.write_str(",\"level\":\"info\",\"kind\":\"guest\"")?;
                whose.json(out)?;
                json_text(out, "stream", stream)?;
                json_text(out, "message", message)?;
            }
            Event::Entry {
                whose,
                level,
                context,
                message,
            } => {
                json_text(out, "level", level)?;
                out.write_str(",\"kind\":\"guest\"")?;
                whose.json(out)?;
                json_text(out, "context", context)?;
                json_text(out, "message", message)?;
            }
            Event::Worker {
                whose,
                level,
                message,
            } => {
                json_text(out, "level", level)?;
                write!(out, ",\"kind\":\"worker\",\"worker\":{}", self.worker)?;
                whose.json(out)?;
                json_text(out, "message", message)?;
            }
            Event::Refusal { whose, denial } => {
                out.write_str(",\"level\":\"warning\",\"kind\":\"denial\"")?;
                write!(out, ",\"worker\":{}", self.worker)?;
                whose.json(out)?;
                json_text(out, "import", denial.import)?;
                json_text(out, "target", denial.target)?;
                json_text(out, "grant", denial.grant)?;
                json_text(out, "message", &refusal(*whose, *denial))?;
            }
        }
        out.write_char('}')
    }

    fn json_access(self, line: &AccessLine<'_>, out: &mut String) -> fmt::Result {
        let is_wrong = line.status >= 500 || line.aborted;
        json_text(out, "level", if is_wrong { "error" } else { "info" })?;
        out.write_str(",\"kind\":\"access\"")?;
        let id = Some(line.id);
        Whose {
            app: line.app,
            component: line.component,
            id,
        }
        .json(out)?;
        json_text(out, "method", line.method)?;
        json_text(out, "path", line.path)?;
        if let Some(route) = line.route {
            json_text(out, "route", route)?;
        }
        if line.aborted {
            out.write_str(",\"aborted\":true")?;
        }
        write!(
            out,
            ",\"status\":{},\"duration_us\":{},\"bytes_in\":{},\"bytes_out\":{},\"client\":\"{}\",\"protocol\":\"{}\",\"worker\":{}",
            line.status,
            line.duration.as_micros(),
            line.bytes_in,
            line.bytes_out,
            line.client,
            line.protocol,
            self.worker,
        )
    }

    fn text(self, event: &Event<'_>, time: Clock, out: &mut String) -> fmt::Result {
        self.paint(out, Color::Dim, format_args!("{}", time.of_day()))?;
        match event {
            Event::Access(line) => self.text_access(line, out),
            Event::Guest {
                whose,
                stream,
                message,
            } => {
                let color = if *stream == "stderr" {
                    Color::Yellow
                } else {
                    Color::Dim
                };
                write!(out, " {:<10} ", whose.component.unwrap_or("-"))?;
                self.paint(out, color, format_args!("|"))?;
                write!(out, " {}", Printable(message))
            }
            Event::Entry {
                whose,
                level,
                context,
                message,
            } => self.text_entry(*whose, level, (context, message), out),
            Event::Worker {
                whose,
                level,
                message,
            } => {
                let color = if *level == "error" {
                    Color::Red
                } else {
                    Color::Yellow
                };
                match whose.component {
                    Some(component) => write!(out, " {component:<10} ")?,
                    None => write!(out, " worker {:<3} ", self.worker)?,
                }
                self.paint(out, color, format_args!("{level}"))?;
                write!(out, ": {}", Printable(message))?;
                match whose.id {
                    Some(id) => self.paint(out, Color::Dim, format_args!(" {id}")),
                    None => Ok(()),
                }
            }
            Event::Refusal { whose, denial } => {
                write!(out, " {:<10} ", whose.component.unwrap_or("-"))?;
                self.paint(out, Color::Yellow, format_args!("denied"))?;
                write!(out, ": {}", Printable(&refusal(*whose, *denial)))
            }
        }
    }

    fn text_entry(
        self,
        whose: Whose<'_>,
        level: &str,
        (context, message): (&str, &str),
        out: &mut String,
    ) -> fmt::Result {
        let color = match level {
            "error" | "critical" => Color::Red,
            "warning" => Color::Yellow,
            _ => Color::Dim,
        };
        write!(out, " {:<10} ", whose.component.unwrap_or("-"))?;
        self.paint(out, color, format_args!("{level}"))?;
        if !context.is_empty() {
            write!(out, ": {}", Printable(context))?;
        }
        write!(out, ": {}", Printable(message))
    }

    fn text_access(self, line: &AccessLine<'_>, out: &mut String) -> fmt::Result {
        let component = line.component.unwrap_or("-");
        write!(
            out,
            " {component:<10} {:>4} {} ",
            line.method,
            Printable(line.path)
        )?;
        let color = match line.status {
            200..400 if !line.aborted => Color::Green,
            400..500 if !line.aborted => Color::Yellow,
            _ => Color::Red,
        };
        self.paint(
            out,
            color,
            format_args!(
                "{}{}",
                line.status,
                if line.aborted { " aborted" } else { "" }
            ),
        )?;
        let milliseconds = line.duration.as_secs_f64() * 1e3;
        write!(out, " {milliseconds:.2}ms {}B ", line.bytes_out)?;
        self.paint(out, Color::Dim, format_args!("{}", line.id))
    }

    fn paint(self, out: &mut String, color: Color, text: fmt::Arguments<'_>) -> fmt::Result {
        if self.color {
            write!(out, "\x1b[{}m{text}\x1b[0m", color as u8)
        } else {
            out.write_fmt(text)
        }
    }
}

/// SGR codes of the terminal.
#[derive(Clone, Copy, Debug)]
enum Color {
    Dim = 2,
    Red = 31,
    Green = 32,
    Yellow = 33,
}

fn json_text(out: &mut String, key: &str, text: &str) -> fmt::Result {
    for piece in [",\"", key, "\":"] {
        out.push_str(piece);
    }
    // Most text needs no escaping, and then this is a copy.
    if text
        .bytes()
        .any(|byte| byte < b' ' || matches!(byte, b'"' | b'\\'))
    {
        out.push_str(&serde_json::to_string(text).map_err(|_| fmt::Error)?);
    } else {
        for piece in ["\"", text, "\""] {
            out.push_str(piece);
        }
    }
    Ok(())
}

/// Text from outside, without what could steer a terminal.
struct Printable<'a>(&'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let harmful = |character: char| character.is_control() && character != '\t';
        if !self.0.contains(harmful) {
            return formatter.write_str(self.0);
        }
        for character in self.0.chars() {
            if harmful(character) {
                write!(formatter, "{}", character.escape_default())?;
            } else {
                formatter.write_char(character)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    const PLAIN: Style = Style {
        json: false,
        color: false,
        worker: 1,
    };
    const JSON: Style = Style {
        json: true,
        color: false,
        worker: 1,
    };

    fn moment() -> SystemTime {
        UNIX_EPOCH + Duration::from_micros(1_795_375_560_123_456)
    }

    fn written(style: Style, event: &Event<'_>) -> String {
        let mut line = String::new();
        style.write(event, moment(), &mut line);
        line
    }

    fn access(id: RequestId) -> AccessLine<'static> {
        AccessLine {
            app: Some("polyglot"),
            component: Some("rust"),
            id,
            method: "POST",
            path: "/a\u{9b}\"b",
            route: Some("/:x"),
            status: 200,
            aborted: false,
            duration: Duration::from_micros(1234),
            bytes_in: 7,
            bytes_out: 512,
            client: IpAddr::from([127, 0, 0, 1]),
            protocol: "HTTP/1.1",
        }
    }

    #[test]
    fn an_access_line_is_one_json_object_with_every_field() {
        let id = RequestId::next();

        let line = written(JSON, &Event::Access(access(id)));

        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        let expected = serde_json::json!({
            "time": "2026-11-22T19:26:00.123456Z", "level": "info", "kind": "access", "app": "polyglot",
            "component": "rust", "request_id": id.to_string(), "method": "POST", "path": "/a\u{9b}\"b",
            "route": "/:x", "status": 200, "duration_us": 1234, "bytes_in": 7, "bytes_out": 512,
            "client": "127.0.0.1", "protocol": "HTTP/1.1", "worker": 1,
        });
        assert_eq!(value, expected);
        assert!(line.ends_with("}\n"));
    }

    #[test]
    fn a_line_of_text_cannot_steer_the_terminal() {
        let id = RequestId::next();
        let line = written(PLAIN, &Event::Access(access(id)));
        assert_eq!(
            line,
            format!("19:26:00.123 rust       POST /a\\u{{9b}}\"b 200 1.23ms 512B {id}\n")
        );

        let message = "\x1b[2Jgone\rover";
        let event = Event::Guest {
            whose: whose(None),
            stream: "stdout",
            message,
        };
        assert_eq!(
            written(PLAIN, &event),
            "19:26:00.123 c          | \\u{1b}[2Jgone\\rover\n"
        );
        let (mut line, both) = (String::new(), ("a\nb", message));
        let written = PLAIN.text_entry(whose(None), "warning", both, &mut line);
        assert_eq!(written, Ok(()));
        assert_eq!(line, " c          warning: a\\nb: \\u{1b}[2Jgone\\rover");
    }

    fn whose(id: Option<RequestId>) -> Whose<'static> {
        Whose {
            app: Some("a"),
            component: Some("c"),
            id,
        }
    }

    #[test]
    fn lines_of_guests_and_workers_say_whose_they_are() {
        let id = RequestId::next();
        let guest = Event::Guest {
            whose: whose(Some(id)),
            stream: "stderr",
            message: "oh",
        };
        let failure = Event::Worker {
            whose: whose(Some(id)),
            level: "error",
            message: "trap",
        };
        let worker = Event::Worker {
            whose: Whose::default(),
            level: "warning",
            message: "full",
        };

        let guest: serde_json::Value = serde_json::from_str(&written(JSON, &guest)).unwrap();
        let error: serde_json::Value = serde_json::from_str(&written(JSON, &failure)).unwrap();

        assert_eq!(
            (&guest["kind"], &guest["stream"]),
            (&"guest".into(), &"stderr".into())
        );
        assert_eq!(
            (&error["level"], &error["request_id"]),
            (&"error".into(), &id.to_string().into())
        );
        assert_eq!(
            written(PLAIN, &failure),
            format!("19:26:00.123 c          error: trap {id}\n")
        );
        assert_eq!(
            written(PLAIN, &worker),
            "19:26:00.123 worker 1   warning: full\n"
        );
    }
}
