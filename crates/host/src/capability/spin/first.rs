//! The unversioned `fermyon:spin` of Spin 1, whose handles are numbers.

use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::WasiView;
use wisp_wasi::State;

use super::database::{self, Connection};
use super::store::{self, StoreFailure};
use super::variables::{self, VariableFailure};
use crate::capability::keyvalue::Bucket;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/spin",
        world: "wisp:spin/first",
        imports: { default: async | trappable },
    });
}
use bindings::fermyon::spin::{config, key_value, sqlite};

database::values!(sqlite);

type Answer<T, E> = wasmtime::Result<Result<T, E>>;

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    key_value::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    sqlite::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    config::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

impl From<StoreFailure> for key_value::Error {
    fn from(failure: StoreFailure) -> Self {
        match failure {
            StoreFailure::AccessDenied => Self::AccessDenied,
            StoreFailure::Other(message) => Self::Io(message),
        }
    }
}

/// What a number stands for, if the guest got it from us.
fn bucket(state: &mut State, handle: u32) -> Result<Bucket, key_value::Error> {
    let bucket = state
        .ctx()
        .table
        .get(&Resource::<Bucket>::new_borrow(handle))
        .cloned();
    bucket.map_err(|_| key_value::Error::InvalidStore)
}

impl key_value::Host for State {
    async fn open(&mut self, name: String) -> Answer<u32, key_value::Error> {
        match store::open(self, "fermyon:spin/key-value", name) {
            Ok(bucket) => Ok(match self.ctx().table.push(bucket) {
                Ok(handle) => Ok(handle.rep()),
                Err(_) => Err(key_value::Error::StoreTableFull),
            }),
            Err(failure) => Ok(Err(failure.into())),
        }
    }

    async fn get(&mut self, handle: u32, key: String) -> Answer<Vec<u8>, key_value::Error> {
        let bucket = match bucket(self, handle) {
            Ok(bucket) => bucket,
            Err(error) => return Ok(Err(error)),
        };
        Ok(match store::get(&bucket, key).await {
            Ok(value) => value.ok_or(key_value::Error::NoSuchKey),
            Err(failure) => Err(failure.into()),
        })
    }

    async fn set(
        &mut self,
        handle: u32,
        key: String,
        value: Vec<u8>,
    ) -> Answer<(), key_value::Error> {
        Ok(match bucket(self, handle) {
            Ok(bucket) => store::set(&bucket, key, value).await.map_err(Into::into),
            Err(error) => Err(error),
        })
    }

    async fn delete(&mut self, handle: u32, key: String) -> Answer<(), key_value::Error> {
        Ok(match bucket(self, handle) {
            Ok(bucket) => store::delete(&bucket, key).await.map_err(Into::into),
            Err(error) => Err(error),
        })
    }

    async fn exists(&mut self, handle: u32, key: String) -> Answer<bool, key_value::Error> {
        Ok(match bucket(self, handle) {
            Ok(bucket) => store::exists(&bucket, key).await.map_err(Into::into),
            Err(error) => Err(error),
        })
    }

    async fn get_keys(&mut self, handle: u32) -> Answer<Vec<String>, key_value::Error> {
        Ok(match bucket(self, handle) {
            Ok(bucket) => store::keys(&bucket).await.map_err(Into::into),
            Err(error) => Err(error),
        })
    }

    async fn close(&mut self, handle: u32) -> wasmtime::Result<()> {
        if bucket(self, handle).is_ok() {
            self.ctx()
                .table
                .delete(Resource::<Bucket>::new_own(handle))?;
        }
        Ok(())
    }
}

/// What a number stands for, if the guest got it from us.
fn connection(state: &mut State, handle: u32) -> Result<Connection, sqlite::Error> {
    let handle = Resource::<Connection>::new_borrow(handle);
    let connection = state.ctx().table.get(&handle).cloned();
    connection.map_err(|_| sqlite::Error::InvalidConnection)
}

impl sqlite::Host for State {
    async fn open(&mut self, name: String) -> Answer<u32, sqlite::Error> {
        let grantee = match database::granted(self, "fermyon:spin/sqlite", &name) {
            Ok(grantee) => grantee,
            Err(failure) => return Ok(Err(failure.into())),
        };
        match Connection::open(grantee, name).await {
            Ok(connection) => Ok(Ok(self.ctx().table.push(connection)?.rep())),
            Err(failure) => Ok(Err(failure.into())),
        }
    }

    async fn execute(
        &mut self,
        handle: u32,
        statement: String,
        parameters: Vec<sqlite::Value>,
    ) -> Answer<sqlite::QueryResult, sqlite::Error> {
        let connection = match connection(self, handle) {
            Ok(connection) => connection,
            Err(error) => return Ok(Err(error)),
        };
        let parameters = parameters.into_iter().map(Into::into).collect();
        let found = connection.execute(statement, parameters).await;
        Ok(found.map(Into::into).map_err(Into::into))
    }

    async fn close(&mut self, handle: u32) -> wasmtime::Result<()> {
        if connection(self, handle).is_ok() {
            self.ctx()
                .table
                .delete(Resource::<Connection>::new_own(handle))?;
        }
        Ok(())
    }
}

impl config::Host for State {
    async fn get_config(&mut self, key: String) -> Answer<String, config::Error> {
        Ok(
            variables::get(self, "fermyon:spin/config", &key).map_err(|failure| match failure {
                VariableFailure::InvalidName(message) => config::Error::InvalidKey(message),
                VariableFailure::Undefined(message) => config::Error::Provider(message),
            }),
        )
    }
}
