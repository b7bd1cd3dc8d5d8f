//! `spin:*`: what guests of Spin 4 import. Their asynchronous functions need an engine that has such; the others do not.

use wasmtime::component::{Accessor, FutureReader, HasSelf, Linker, Resource, StreamReader};
use wasmtime_wasi::WasiView;
use wisp_wasi::State;

use super::database::{self, Connection};
use super::store::{self, StoreFailure};
use super::variables::{self as configuration, VariableFailure};
use crate::capability::keyvalue::Bucket;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/spin",
        world: "wisp:spin/third",
        imports: { default: async | trappable },
        with: {
            "spin:key-value/key-value.store": crate::capability::keyvalue::Bucket,
            "spin:sqlite/sqlite@3.1.0.connection": crate::capability::spin::database::Connection,
        },
    });
}
mod synchronous {
    wasmtime::component::bindgen!({
        path: "../../wit/spin",
        world: "wisp:spin/third-synchronous",
        imports: { default: async | trappable },
        with: {
            "spin:sqlite/sqlite@3.0.0.connection": crate::capability::spin::database::Connection,
        },
    });
}
use bindings::spin::key_value::key_value;
use bindings::spin::sqlite3_1_0::sqlite;
use bindings::spin::variables::variables;
use synchronous::spin::sqlite3_0_0::sqlite as older_sqlite;

database::values!(sqlite);
database::values!(older_sqlite);

const SQLITE: &str = "spin:sqlite/sqlite";

type Own = HasSelf<State>;
type Answer<T, E> = wasmtime::Result<Result<T, E>>;

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    key_value::add_to_linker::<State, Own>(linker, |state| state)?;
    sqlite::add_to_linker::<State, Own>(linker, |state| state)?;
    variables::add_to_linker::<State, Own>(linker, |state| state)
}

/// What there is without asynchronous functions.
pub(super) fn add_synchronous(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    older_sqlite::add_to_linker::<State, Own>(linker, |state| state)
}

impl From<StoreFailure> for key_value::Error {
    fn from(failure: StoreFailure) -> Self {
        match failure {
            StoreFailure::AccessDenied => Self::AccessDenied,
            StoreFailure::Other(message) => Self::Other(message),
        }
    }
}

impl From<VariableFailure> for variables::Error {
    fn from(failure: VariableFailure) -> Self {
        match failure {
            VariableFailure::InvalidName(message) => Self::InvalidName(message),
            VariableFailure::Undefined(message) => Self::Undefined(message),
        }
    }
}

impl key_value::Host for State {}

impl key_value::HostStore for State {
    async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.ctx().table.delete(bucket)?;
        Ok(())
    }
}

/// What a guest's handle means.
fn held<T: Clone + Send + 'static>(
    accessor: &Accessor<State, Own>,
    handle: &Resource<T>,
) -> wasmtime::Result<T> {
    accessor.with(|mut access| Ok(access.get().ctx().table.get(handle)?.clone()))
}

fn keep<T: Send + 'static>(
    accessor: &Accessor<State, Own>,
    kept: T,
) -> wasmtime::Result<Resource<T>> {
    accessor.with(|mut access| Ok(access.get().ctx().table.push(kept)?))
}

impl key_value::HostStoreWithStore<State> for Own {
    async fn open(
        accessor: &Accessor<State, Self>,
        label: String,
    ) -> Answer<Resource<Bucket>, key_value::Error> {
        let opened = accessor
            .with(|mut access| store::open(access.get(), "spin:key-value/key-value", label));
        match opened {
            Ok(bucket) => Ok(Ok(keep(accessor, bucket)?)),
            Err(failure) => Ok(Err(failure.into())),
        }
    }

    async fn get(
        accessor: &Accessor<State, Self>,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Answer<Option<Vec<u8>>, key_value::Error> {
        let bucket = held(accessor, &bucket)?;
        Ok(store::get(&bucket, key).await.map_err(Into::into))
    }

    async fn set(
        accessor: &Accessor<State, Self>,
        bucket: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> Answer<(), key_value::Error> {
        let bucket = held(accessor, &bucket)?;
        Ok(store::set(&bucket, key, value).await.map_err(Into::into))
    }

    async fn delete(
        accessor: &Accessor<State, Self>,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Answer<(), key_value::Error> {
        let bucket = held(accessor, &bucket)?;
        Ok(store::delete(&bucket, key).await.map_err(Into::into))
    }

    async fn exists(
        accessor: &Accessor<State, Self>,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Answer<bool, key_value::Error> {
        let bucket = held(accessor, &bucket)?;
        Ok(store::exists(&bucket, key).await.map_err(Into::into))
    }

    async fn get_keys(
        accessor: &Accessor<State, Self>,
        bucket: Resource<Bucket>,
    ) -> wasmtime::Result<(
        StreamReader<String>,
        FutureReader<Result<(), key_value::Error>>,
    )> {
        let bucket = held(accessor, &bucket)?;
        let (keys, result) = match store::keys(&bucket).await {
            Ok(keys) => (keys, Ok(())),
            Err(failure) => (Vec::new(), Err(failure.into())),
        };
        accessor.with(|mut access| {
            let keys = StreamReader::new(&mut access, keys)?;
            let result = async move { Ok::<_, wasmtime::Error>(result) };
            Ok((keys, FutureReader::new(&mut access, result)?))
        })
    }
}

impl variables::Host for State {}

impl variables::HostWithStore<State> for Own {
    async fn get(
        accessor: &Accessor<State, Self>,
        name: String,
    ) -> Answer<String, variables::Error> {
        let value = accessor
            .with(|mut access| configuration::get(access.get(), "spin:variables/variables", &name));
        Ok(value.map_err(Into::into))
    }
}

/// The functions without `async`, which both versions have.
macro_rules! connection {
    ($module:ident) => {
        impl $module::Host for State {}

        impl $module::HostConnection for State {
            async fn open(&mut self, name: String) -> Answer<Resource<Connection>, $module::Error> {
                let grantee = match database::granted(self, SQLITE, &name) {
                    Ok(grantee) => grantee,
                    Err(failure) => return Ok(Err(failure.into())),
                };
                match Connection::open(grantee, name).await {
                    Ok(connection) => Ok(Ok(self.ctx().table.push(connection)?)),
                    Err(failure) => Ok(Err(failure.into())),
                }
            }

            async fn execute(
                &mut self,
                connection: Resource<Connection>,
                statement: String,
                parameters: Vec<$module::Value>,
            ) -> Answer<$module::QueryResult, $module::Error> {
                let connection = self.ctx().table.get(&connection)?.clone();
                let parameters = parameters.into_iter().map(Into::into).collect();
                let found = connection.execute(statement, parameters).await;
                Ok(found.map(Into::into).map_err(Into::into))
            }

            async fn last_insert_rowid(
                &mut self,
                connection: Resource<Connection>,
            ) -> wasmtime::Result<i64> {
                let connection = self.ctx().table.get(&connection)?.clone();
                Ok(connection.last().await?.1)
            }

            async fn changes(&mut self, connection: Resource<Connection>) -> wasmtime::Result<u64> {
                let connection = self.ctx().table.get(&connection)?.clone();
                Ok(connection.last().await?.0)
            }

            async fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
                self.ctx().table.delete(connection)?;
                Ok(())
            }
        }
    };
}
connection!(sqlite);
connection!(older_sqlite);

type Rows = (
    Vec<String>,
    StreamReader<sqlite::RowResult>,
    FutureReader<Result<(), sqlite::Error>>,
);

impl sqlite::HostConnectionWithStore<State> for Own {
    async fn open_async(
        accessor: &Accessor<State, Self>,
        name: String,
    ) -> Answer<Resource<Connection>, sqlite::Error> {
        let asked = accessor.with(|mut access| database::granted(access.get(), SQLITE, &name));
        let grantee = match asked {
            Ok(grantee) => grantee,
            Err(failure) => return Ok(Err(failure.into())),
        };
        match Connection::open(grantee, name).await {
            Ok(connection) => Ok(Ok(keep(accessor, connection)?)),
            Err(failure) => Ok(Err(failure.into())),
        }
    }

    async fn execute_async(
        accessor: &Accessor<State, Self>,
        connection: Resource<Connection>,
        statement: String,
        parameters: Vec<sqlite::Value>,
    ) -> Answer<Rows, sqlite::Error> {
        let connection = held(accessor, &connection)?;
        let parameters = parameters.into_iter().map(Into::into).collect();
        let found = match connection.execute(statement, parameters).await {
            Ok(found) => sqlite::QueryResult::from(found),
            Err(failure) => return Ok(Err(failure.into())),
        };
        accessor.with(|mut access| {
            let rows = StreamReader::new(&mut access, found.rows)?;
            let result = async { Ok::<_, wasmtime::Error>(Ok(())) };
            let result = FutureReader::new(&mut access, result)?;
            Ok(Ok((found.columns, rows, result)))
        })
    }

    async fn last_insert_rowid_async(
        accessor: &Accessor<State, Self>,
        connection: Resource<Connection>,
    ) -> wasmtime::Result<i64> {
        Ok(held(accessor, &connection)?.last().await?.1)
    }

    async fn changes_async(
        accessor: &Accessor<State, Self>,
        connection: Resource<Connection>,
    ) -> wasmtime::Result<u64> {
        Ok(held(accessor, &connection)?.last().await?.0)
    }
}
