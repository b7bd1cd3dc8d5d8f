//! What the SQLite interfaces of Spin have in common.

use std::sync::Arc;

use wisp_wasi::State;

use crate::capability::Grantee;
use crate::capability::sqlite::{self, Datum, Failure, Found, Session};

/// Why a call failed; the families have the same cases.
#[derive(Debug)]
pub(super) enum DatabaseFailure {
    AccessDenied,
    Full,
    Io(String),
}

/// A connection of a guest.
#[derive(Clone, Debug)]
#[expect(unreachable_pub, reason = "the generated bindings name it as theirs")]
pub struct Connection {
    session: Arc<dyn Session>,
    grantee: Arc<Grantee>,
    name: Arc<str>,
}

/// The component that calls, if the database is granted to it.
pub(super) fn granted(
    state: &State,
    import: &str,
    name: &str,
) -> Result<Arc<Grantee>, DatabaseFailure> {
    sqlite::granted(state, import, name).ok_or(DatabaseFailure::AccessDenied)
}

fn told(grantee: &Grantee, name: &str, failure: Failure) -> DatabaseFailure {
    let message = match sqlite::note(grantee, name, failure) {
        Failure::Full => return DatabaseFailure::Full,
        Failure::Busy => "database is locked".into(),
        Failure::TimedOut => "the statement took too long".into(),
        Failure::Invalid(_, message)
        | Failure::Constraint(_, message)
        | Failure::Refused(message)
        | Failure::TooLarge(message)
        | Failure::Other(message)
        | Failure::Fault(message) => message,
    };
    DatabaseFailure::Io(message)
}

impl Connection {
    pub(super) async fn open(grantee: Arc<Grantee>, name: String) -> Result<Self, DatabaseFailure> {
        let session = grantee.stores.connect(&name).await;
        let session = session.map_err(|failure| told(&grantee, &name, failure))?;
        Ok(Self {
            session,
            grantee,
            name: name.into(),
        })
    }

    pub(super) async fn execute(
        &self,
        statement: String,
        parameters: Vec<Datum>,
    ) -> Result<Found, DatabaseFailure> {
        let found = self.session.query(None, statement, parameters).await;
        found.map_err(|failure| told(&self.grantee, &self.name, failure))
    }

    /// Rows that the last statement changed, and the rowid of the last row that was inserted.
    pub(super) async fn last(&self) -> wasmtime::Result<(u64, i64)> {
        match self.session.last().await {
            Ok(last) => Ok((last.affected, last.last_rowid)),
            Err(failure) => Err(wasmtime::format_err!(
                "{:?}",
                told(&self.grantee, &self.name, failure)
            )),
        }
    }
}

/// Values of one family's type from ours, and back.
macro_rules! values {
    ($module:ident) => {
        impl From<$module::Value> for $crate::capability::sqlite::Datum {
            fn from(value: $module::Value) -> Self {
                match value {
                    $module::Value::Null => Self::Null,
                    $module::Value::Integer(number) => Self::Integer(number),
                    $module::Value::Real(number) => Self::Real(number),
                    $module::Value::Text(text) => Self::Text(text),
                    $module::Value::Blob(bytes) => Self::Blob(bytes),
                }
            }
        }

        impl From<$crate::capability::sqlite::Datum> for $module::Value {
            fn from(datum: $crate::capability::sqlite::Datum) -> Self {
                use $crate::capability::sqlite::Datum;
                match datum {
                    Datum::Null => Self::Null,
                    Datum::Integer(number) => Self::Integer(number),
                    Datum::Real(number) => Self::Real(number),
                    Datum::Text(text) => Self::Text(text),
                    Datum::Blob(bytes) => Self::Blob(bytes),
                }
            }
        }

        impl From<$crate::capability::sqlite::Found> for $module::QueryResult {
            fn from(found: $crate::capability::sqlite::Found) -> Self {
                let row = |row: Vec<_>| $module::RowResult {
                    values: row.into_iter().map($module::Value::from).collect(),
                };
                Self {
                    columns: found.columns,
                    rows: found.rows.into_iter().map(row).collect(),
                }
            }
        }

        impl From<$crate::capability::spin::database::DatabaseFailure> for $module::Error {
            fn from(failure: $crate::capability::spin::database::DatabaseFailure) -> Self {
                use $crate::capability::spin::database::DatabaseFailure as F;
                match failure {
                    F::AccessDenied => Self::AccessDenied,
                    F::Full => Self::DatabaseFull,
                    F::Io(message) => Self::Io(message),
                }
            }
        }
    };
}
pub(super) use values;
