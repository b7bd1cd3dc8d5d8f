//! The functions that a guest may import.

use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Linker as ModuleLinker, Store};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p2::bindings::Command as Command2;
use wasmtime_wasi::p3::bindings::Command as Command3;

use crate::files;
use crate::state::State;

/// All of WASI: what a guest imports but was not granted answers with its interface's own error.
///
/// `concurrent` adds WASI 0.3, which needs an engine with component-model-async.
pub fn linker(engine: &Engine, concurrent: bool) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    if concurrent {
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
        wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    }
    // In place of Wasmtime's own, with the same types.
    linker.allow_shadowing(true);
    files::add_to_linker(&mut linker, concurrent)?;
    linker.allow_shadowing(false);
    Ok(linker)
}

/// Calls `wasi:cli/run` of a component, 0.3 where it exports that; `Err(())` is the guest's own failure.
pub async fn run_command(
    mut store: Store<State>,
    component: &Component,
    concurrent: bool,
) -> wasmtime::Result<Result<(), ()>> {
    let linker = linker(store.engine(), concurrent)?;
    if concurrent
        && let Ok(command) = Command3::instantiate_async(&mut store, component, &linker).await
    {
        return store
            .run_concurrent(async |accessor| command.wasi_cli_run().call_run(accessor).await)
            .await?;
    }
    let command = Command2::instantiate_async(&mut store, component, &linker).await?;
    command.wasi_cli_run().call_run(&mut store).await
}

/// WASI preview 1, for core modules.
pub fn add_preview1(linker: &mut ModuleLinker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p1::add_to_linker_async(linker, State::preview1_context)
}

/// The code with which a program of preview 1 ended itself, if that is how a call ended.
pub fn exit_code(error: &wasmtime::Error) -> Option<i32> {
    error.downcast_ref::<I32Exit>().map(|exit| exit.0)
}
