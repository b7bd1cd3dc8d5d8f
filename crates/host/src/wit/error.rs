//! What is wrong with WIT, and where.

use std::path::{Path, PathBuf};

use wit_parser::{ParseError, Resolve, ResolveError, ResolveErrorKind, Span};

/// WIT that cannot be read, or that something does not fit.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct WitError {
    /// What is wrong.
    pub message: String,
    /// How to mend it, where we know.
    pub hint: Option<String>,
    /// The file at fault.
    pub path: Option<PathBuf>,
    /// The line in it, from 1.
    pub line: Option<usize>,
    /// The column in that line, from 1.
    pub column: Option<usize>,
}

impl WitError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            path: None,
            line: None,
            column: None,
        }
    }

    /// A core module, which knows nothing of WIT.
    pub(super) fn module() -> Self {
        Self {
            hint: Some("`wisp build` makes a component of a module".to_owned()),
            ..Self::new("this is a core WebAssembly module, which has no WIT")
        }
    }

    pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        Self::new(format!("cannot be read: {error}")).in_file(path)
    }

    /// Says which file it is about, unless that is known more exactly already.
    pub(super) fn in_file(mut self, path: &Path) -> Self {
        self.path.get_or_insert_with(|| path.to_owned());
        self
    }

    /// The parser's error: what it says, with the place that its span leads to.
    pub(super) fn of_parser(resolve: &Resolve, error: &anyhow::Error) -> Self {
        if let Some(error) = error.downcast_ref::<ParseError>() {
            return Self::new(error.to_string()).at(resolve, error.kind().span());
        }
        if let Some(error) = error.downcast_ref::<ResolveError>() {
            return Self {
                hint: hint(error.kind()),
                ..Self::new(error.to_string())
            }
            .at(resolve, error.kind().span());
        }
        Self::new(format!("{error:#}"))
    }

    fn at(mut self, resolve: &Resolve, span: Span) -> Self {
        if resolve.source_map.resolve_span(span).is_none() {
            return self;
        }
        let place = resolve.render_location(span);
        let mut parts = place.rsplitn(3, ':');
        self.column = parts.next().and_then(|column| column.parse().ok());
        self.line = parts.next().and_then(|line| line.parse().ok());
        self.path = parts.next().map(PathBuf::from);
        self
    }
}

fn hint(kind: &ResolveErrorKind) -> Option<String> {
    match kind {
        ResolveErrorKind::PackageNotFound { requested, .. } => Some(format!(
            "`wisp wit add` puts {requested} into the folder `deps`"
        )),
        _ => None,
    }
}
