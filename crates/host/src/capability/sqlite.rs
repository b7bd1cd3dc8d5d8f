//! `wisp:sqlite`: SQL databases of an app.
//!
//! The interface is here, with the grants; a guest's connection is [`link`], what a statement may not do [`guard`], and how much of
//! anything [`statement`].

mod failure;
mod guard;
mod link;
mod statement;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::WasiView;
use wisp_wasi::State;

use super::{Grantee, quoted};
pub(crate) use failure::Failure;
pub(crate) use link::Link;
pub(crate) use rusqlite::types::Value as Datum;
pub(crate) use statement::Answer as Found;

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
    link: Arc<Link>,
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

/// What a guest is told when only the log may say more.
pub(crate) fn fault(grantee: &Grantee, name: &str, message: &str) -> String {
    grantee.fault(&format!("the database `{name}`: {message}"));
    "the database cannot be used; the log of the host says why".into()
}

impl Connection {
    fn told(&self, failure: Failure) -> Error {
        match failure {
            Failure::Refused(reason) => Error::Refused(reason),
            Failure::Invalid(code, message) => Error::Invalid(Problem { code, message }),
            Failure::Constraint(code, message) => Error::Constraint(Problem { code, message }),
            Failure::Busy => Error::Busy,
            Failure::TimedOut => Error::TimedOut,
            Failure::TooLarge(message) => Error::TooLarge(message),
            Failure::Full => Error::Full,
            Failure::Other(message) => Error::Other(message),
            Failure::Fault(message) => Error::Other(fault(&self.grantee, &self.name, &message)),
        }
    }

    async fn execute(
        &self,
        transaction: Option<u64>,
        statement: String,
        parameters: Vec<Value>,
    ) -> Result<Outcome, Error> {
        let parameters = parameters.into_iter().map(Datum::from).collect();
        let done = self.link.execute(transaction, statement, parameters).await;
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
        let found = self.link.query(transaction, statement, parameters).await;
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
        let link = match Link::open(&grantee, &name).await {
            Ok(link) => link,
            Err(Failure::Fault(message)) => {
                return Ok(Err(Error::Other(fault(&grantee, &name, &message))));
            }
            Err(Failure::Busy) => return Ok(Err(Error::Busy)),
            Err(Failure::Other(message)) => return Ok(Err(Error::Other(message))),
            Err(other) => return Ok(Err(Error::Other(format!("{other:?}")))),
        };
        let name = name.into();
        let connection = Connection {
            link,
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
        match connection.link.begin().await {
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
        let ended = connection.link.end(number, true).await;
        Ok(ended.map_err(|failure| connection.told(failure)))
    }

    async fn rollback(&mut self, transaction: Resource<Transaction>) -> Told<()> {
        let Transaction { connection, number } = self.ctx().table.get(&transaction)?.clone();
        let ended = connection.link.end(number, false).await;
        Ok(ended.map_err(|failure| connection.told(failure)))
    }

    async fn drop(&mut self, transaction: Resource<Transaction>) -> wasmtime::Result<()> {
        let Transaction { connection, number } = self.ctx().table.delete(transaction)?;
        // Now rather than later, so that the connection's next statement does not belong to it. One that has ended says so.
        let _ = connection.link.end(number, false).await;
        Ok(())
    }
}
