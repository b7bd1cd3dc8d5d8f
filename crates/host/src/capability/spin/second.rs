//! `fermyon:spin@2.0.0`: what guests of Spin 2 and 3 import.

use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::WasiView;
use wisp_wasi::State;

use super::database::{self, Connection};
use super::store::{self, StoreFailure};
use super::variables::{self as configuration, VariableFailure};
use crate::capability::keyvalue::Bucket;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/spin",
        world: "wisp:spin/second",
        imports: { default: async | trappable },
        with: {
            "fermyon:spin/key-value@2.0.0.store": crate::capability::keyvalue::Bucket,
            "fermyon:spin/sqlite@2.0.0.connection": crate::capability::spin::database::Connection,
        },
    });
}
use bindings::fermyon::spin2_0_0::{key_value, sqlite, variables};

database::values!(sqlite);

type Answer<T, E> = wasmtime::Result<Result<T, E>>;

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    key_value::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    sqlite::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    variables::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
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
    async fn open(&mut self, label: String) -> Answer<Resource<Bucket>, key_value::Error> {
        match store::open(self, "fermyon:spin/key-value", label) {
            Ok(bucket) => Ok(Ok(self.ctx().table.push(bucket)?)),
            Err(failure) => Ok(Err(failure.into())),
        }
    }

    async fn get(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Answer<Option<Vec<u8>>, key_value::Error> {
        let bucket = self.ctx().table.get(&bucket)?.clone();
        Ok(store::get(&bucket, key).await.map_err(Into::into))
    }

    async fn set(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> Answer<(), key_value::Error> {
        let bucket = self.ctx().table.get(&bucket)?.clone();
        Ok(store::set(&bucket, key, value).await.map_err(Into::into))
    }

    async fn delete(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Answer<(), key_value::Error> {
        let bucket = self.ctx().table.get(&bucket)?.clone();
        Ok(store::delete(&bucket, key).await.map_err(Into::into))
    }

    async fn exists(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Answer<bool, key_value::Error> {
        let bucket = self.ctx().table.get(&bucket)?.clone();
        Ok(store::exists(&bucket, key).await.map_err(Into::into))
    }

    async fn get_keys(
        &mut self,
        bucket: Resource<Bucket>,
    ) -> Answer<Vec<String>, key_value::Error> {
        let bucket = self.ctx().table.get(&bucket)?.clone();
        Ok(store::keys(&bucket).await.map_err(Into::into))
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.ctx().table.delete(bucket)?;
        Ok(())
    }
}

impl sqlite::Host for State {}

impl sqlite::HostConnection for State {
    async fn open(&mut self, name: String) -> Answer<Resource<Connection>, sqlite::Error> {
        let grantee = match database::granted(self, "fermyon:spin/sqlite", &name) {
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
        parameters: Vec<sqlite::Value>,
    ) -> Answer<sqlite::QueryResult, sqlite::Error> {
        let connection = self.ctx().table.get(&connection)?.clone();
        let parameters = parameters.into_iter().map(Into::into).collect();
        let found = connection.execute(statement, parameters).await;
        Ok(found.map(Into::into).map_err(Into::into))
    }

    async fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.ctx().table.delete(connection)?;
        Ok(())
    }
}

impl variables::Host for State {
    async fn get(&mut self, name: String) -> Answer<String, variables::Error> {
        Ok(configuration::get(self, "fermyon:spin/variables", &name).map_err(Into::into))
    }
}
