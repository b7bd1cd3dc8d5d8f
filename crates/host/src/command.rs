//! Runs a command component (`wasi:cli/run` 0.2 or 0.3) with the standard streams of this process.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtx, WasiCtxBuilder};
use wisp_wasi::State;

use crate::engine::{Loaded, RunningEngine, Strategy};
use crate::error::HostError;
use crate::locked::{Artifact, Profile};

/// A command and what it may use.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandOptions {
    /// Digest of the component.
    pub digest: String,
    /// Its AOT artifact.
    pub artifact: Artifact,
    /// Which compiler made the artifact.
    pub compiler_strategy: Strategy,
    /// The program's arguments, its name first.
    pub arguments: Vec<String>,
    /// The program's environment; nothing else is passed.
    pub environment: BTreeMap<String, String>,
    /// Folders that it may use.
    pub directories: Vec<Directory>,
}

/// A folder of the host that a command sees under a name of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// The folder on the host.
    pub host: PathBuf,
    /// Its name for the guest.
    pub guest: String,
    /// Whether writing is denied.
    pub read_only: bool,
}

/// Runs a command to its end and gives its exit code. A trap is an error that carries the guest's backtrace.
pub async fn run_command(options: &CommandOptions) -> Result<i32, HostError> {
    let profile = options.artifact.profile;
    let running = RunningEngine::on_demand(profile, options.compiler_strategy)?;
    let Loaded {
        component,
        snapshots,
    } = running.load(&options.digest, &options.artifact)?;
    let store = State::command(&running.engine, context(options)?);
    let run = wisp_wasi::run_command(store, &component, profile == Profile::Async);
    match snapshots.around(run).await {
        Ok(Ok(())) => Ok(0),
        Ok(Err(())) => Ok(1),
        Err(error) => match error.downcast_ref::<I32Exit>() {
            Some(exit) => Ok(exit.0),
            None => Err(HostError::Guest(format!("{error:#}"))),
        },
    }
}

fn context(options: &CommandOptions) -> Result<WasiCtx, HostError> {
    let mut builder = WasiCtxBuilder::new();
    builder.inherit_stdio().args(&options.arguments);
    for (name, value) in &options.environment {
        builder.env(name, value);
    }
    for directory in &options.directories {
        let permissions = if directory.read_only {
            FsPerms::ReadOnly
        } else {
            FsPerms::ReadWrite
        };
        builder
            .preopened_dir(&directory.host, &directory.guest, permissions)
            .map_err(|error| HostError::Directory {
                path: directory.host.clone(),
                message: format!("{error:#}"),
            })?;
    }
    Ok(builder.build())
}
