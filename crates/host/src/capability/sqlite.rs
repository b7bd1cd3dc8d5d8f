//! `wisp:sqlite`: SQL databases of an app.
//!
//! The interface is here, with the grants; what a database is says [`store`]. One in a file of SQLite has connections in [`link`]; what a
//! statement may not do says [`guard`], and how much of anything [`statement`].

#[cfg(test)]
mod conformance;
mod failure;
mod guard;
#[cfg(test)]
mod guest;
mod link;
#[cfg(test)]
mod memory;
mod statement;
mod store;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::WasiView;
use wisp_wasi::{Limit, State};

use super::{Grantee, quoted};
pub(crate) use link::Exchange;
#[cfg(test)]
pub(crate) use memory::MemoryDatabase;
pub(crate) use store::{Datum, Failure, Found, Session};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/capabilities",
        world: "wisp:capabilities/sqlite",
        imports: { default: async | trappable },
        with: {
            "wisp:sqlite/sqlite.connection": crate::capability::sqlite::Connection,
            "wisp:sqlite/sqlite.transaction": crate::capability::sqlite::Transaction,
        },
    });
}
use bindings::wisp::sqlite::sqlite::{self as interface, Answer, Error, Outcome, Problem, Value};

const INTERFACE: &str = "wisp:sqlite/sqlite";

type Told<T> = wasmtime::Result<Result<T, Error>>;

/// A connection of a guest, and whose it is.
#[derive(Clone, Debug)]
#[expect(unreachable_pub, reason = "the generated bindings name it as theirs")]
pub struct Connection {
    session: Arc<dyn Session>,
    grantee: Arc<Grantee>,
    name: Arc<str>,
}

/// A transaction on a connection.
#[derive(Clone, Debug)]
#[expect(unreachable_pub, reason = "the generated bindings name it as theirs")]
pub struct Transaction {
    connection: Connection,
    number: u64,
}

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    interface::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

/// The component that calls, if this database is granted to it.
pub(crate) fn granted(state: &State, import: &str, name: &str) -> Option<Arc<Grantee>> {
    let grantee = Grantee::of(state)?;
    if grantee.grants.sqlite.iter().any(|granted| granted == name) {
        return Some(grantee);
    }
    grantee.deny(import, name, &format!("sqlite = [{}]", quoted(name)));
    None
}

/// Counts a database that is full, and gives what a guest is told of a failure that only the log may say.
pub(crate) fn note(grantee: &Grantee, name: &str, failure: Failure) -> Failure {
    match failure {
        Failure::Fault(message) => {
            grantee.fault(&format!("the database `{name}`: {message}"));
            Failure::Other("the database cannot be used; the log of the host says why".into())
        }
        Failure::Full => {
            grantee.exceed(Limit::Store);
            Failure::Full
        }
        other => other,
    }
}

fn told(grantee: &Grantee, name: &str, failure: Failure) -> Error {
    match note(grantee, name, failure) {
        Failure::Refused(reason) => Error::Refused(reason),
        Failure::Invalid(code, message) => Error::Invalid(Problem { code, message }),
        Failure::Constraint(code, message) => Error::Constraint(Problem { code, message }),
        Failure::Busy => Error::Busy,
        Failure::TimedOut => Error::TimedOut,
        Failure::TooLarge(message) => Error::TooLarge(message),
        Failure::Full => Error::Full,
        Failure::Other(message) | Failure::Fault(message) => Error::Other(message),
    }
}

impl Connection {
    fn told(&self, failure: Failure) -> Error {
        told(&self.grantee, &self.name, failure)
    }

    async fn execute(
        &self,
        transaction: Option<u64>,
        statement: String,
        parameters: Vec<Value>,
    ) -> Result<Outcome, Error> {
        let parameters = parameters.into_iter().map(Datum::from).collect();
        let done = self
            .session
            .execute(transaction, statement, parameters)
            .await;
        let done = done.map_err(|failure| self.told(failure))?;
        Ok(Outcome {
            affected: done.affected,
            last_rowid: done.last_rowid,
        })
    }

    async fn query(
        &self,
        transaction: Option<u64>,
        statement: String,
        parameters: Vec<Value>,
    ) -> Result<Answer, Error> {
        let parameters = parameters.into_iter().map(Datum::from).collect();
        let found = self.session.query(transaction, statement, parameters).await;
        let found = found.map_err(|failure| self.told(failure))?;
        let row = |row: Vec<Datum>| row.into_iter().map(Value::from).collect();
        Ok(Answer {
            columns: found.columns,
            rows: found.rows.into_iter().map(row).collect(),
        })
    }
}

impl From<Value> for Datum {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Integer(number) => Self::Integer(number),
            Value::Real(number) => Self::Real(number),
            Value::Text(text) => Self::Text(text),
            Value::Blob(bytes) => Self::Blob(bytes),
        }
    }
}

impl From<Datum> for Value {
    fn from(datum: Datum) -> Self {
        match datum {
            Datum::Null => Self::Null,
            Datum::Integer(number) => Self::Integer(number),
            Datum::Real(number) => Self::Real(number),
            Datum::Text(text) => Self::Text(text),
            Datum::Blob(bytes) => Self::Blob(bytes),
        }
    }
}

impl interface::Host for State {}

impl interface::HostConnection for State {
    async fn open(&mut self, name: String) -> Told<Resource<Connection>> {
        let Some(grantee) = granted(self, INTERFACE, &name) else {
            return Ok(Err(Error::AccessDenied));
        };
        let session = match grantee.stores.connect(&name).await {
            Ok(session) => session,
            Err(failure) => return Ok(Err(told(&grantee, &name, failure))),
        };
        let name = name.into();
        let connection = Connection {
            session,
            grantee,
            name,
        };
        Ok(Ok(self.ctx().table.push(connection)?))
    }

    async fn execute(
        &mut self,
        connection: Resource<Connection>,
        statement: String,
        parameters: Vec<Value>,
    ) -> Told<Outcome> {
        let connection = self.ctx().table.get(&connection)?.clone();
        Ok(connection.execute(None, statement, parameters).await)
    }

    async fn query(
        &mut self,
        connection: Resource<Connection>,
        statement: String,
        parameters: Vec<Value>,
    ) -> Told<Answer> {
        let connection = self.ctx().table.get(&connection)?.clone();
        Ok(connection.query(None, statement, parameters).await)
    }

    async fn begin(&mut self, connection: Resource<Connection>) -> Told<Resource<Transaction>> {
        let connection = self.ctx().table.get(&connection)?.clone();
        match connection.session.begin().await {
            Ok(number) => {
                let transaction = Transaction { connection, number };
                Ok(Ok(self.ctx().table.push(transaction)?))
            }
            Err(failure) => Ok(Err(connection.told(failure))),
        }
    }

    async fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.ctx().table.delete(connection)?;
        Ok(())
    }
}

impl interface::HostTransaction for State {
    async fn execute(
        &mut self,
        transaction: Resource<Transaction>,
        statement: String,
        parameters: Vec<Value>,
    ) -> Told<Outcome> {
        let Transaction { connection, number } = self.ctx().table.get(&transaction)?.clone();
        Ok(connection
            .execute(Some(number), statement, parameters)
            .await)
    }

    async fn query(
        &mut self,
        transaction: Resource<Transaction>,
        statement: String,
        parameters: Vec<Value>,
    ) -> Told<Answer> {
        let Transaction { connection, number } = self.ctx().table.get(&transaction)?.clone();
        Ok(connection.query(Some(number), statement, parameters).await)
    }

    async fn commit(&mut self, transaction: Resource<Transaction>) -> Told<()> {
        let Transaction { connection, number } = self.ctx().table.get(&transaction)?.clone();
        let ended = connection.session.end(number, true).await;
        Ok(ended.map_err(|failure| connection.told(failure)))
    }

    async fn rollback(&mut self, transaction: Resource<Transaction>) -> Told<()> {
        let Transaction { connection, number } = self.ctx().table.get(&transaction)?.clone();
        let ended = connection.session.end(number, false).await;
        Ok(ended.map_err(|failure| connection.told(failure)))
    }

    async fn drop(&mut self, transaction: Resource<Transaction>) -> wasmtime::Result<()> {
        let Transaction { connection, number } = self.ctx().table.delete(transaction)?;
        // Now rather than later, so that the connection's next statement does not belong to it. One that has ended says so.
        let _ = connection.session.end(number, false).await;
        Ok(())
    }
}
