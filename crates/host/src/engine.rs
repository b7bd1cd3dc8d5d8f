//! Wasmtime: configuration of each engine profile, the memory of its instances, AOT artifacts, and the epoch ticker.
//!
//! What decides the generated code is set in one place ([`codegen`]), so that the process that compiles and the workers
//! that only load agree; the compatibility hash of Wasmtime is part of an artifact's folder name ([`engine_key`]).
//! Workers run with the compiler switched off.

use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use wasmtime::component::Component;
use wasmtime::{Config, Engine};

use crate::demand::Demand;
use crate::error::HostError;
use crate::locked::{Artifact, Profile};
use crate::snapshot::{self, Snapshots};
use crate::telemetry::Log;

/// A guest that computes is interrupted this often, so that others on the same thread go on.
pub(crate) const TICK: Duration = Duration::from_millis(5);
/// Room for the guest's own stack: `CPython` recurses deeply.
const WASM_STACK: usize = 1 << 20;
/// Whether Wasmtime maps the data of memories. Where memories are our own, they begin with it already ([`crate::snapshot`]).
const MAPS_IMAGES: bool = !cfg!(target_os = "linux");
/// The whole fiber: the rest is for host functions that run on it.
const FIBER_STACK: usize = 3 << 20;

/// Which compiler makes the artifacts.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// The optimising compiler.
    Cranelift,
    /// The fast compiler of `wisp up --dev`.
    Winch,
}

impl Strategy {
    fn name(self) -> &'static str {
        match self {
            Self::Cranelift => "cranelift",
            Self::Winch => "winch",
        }
    }
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Async => "async",
        }
    }
}

/// Everything that decides the generated code.
fn codegen(profile: Profile, strategy: Strategy) -> Config {
    let concurrent = profile == Profile::Async;
    let mut config = Config::new();
    config
        .strategy(match strategy {
            Strategy::Cranelift => wasmtime::Strategy::Cranelift,
            Strategy::Winch => wasmtime::Strategy::Winch,
        })
        .epoch_interruption(true)
        .memory_init_cow(MAPS_IMAGES)
        .wasm_gc(false)
        .wasm_threads(false)
        .wasm_exceptions(false)
        .wasm_component_model_async(concurrent)
        .concurrency_support(concurrent)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(FIBER_STACK);
    config
}

/// The same for engines that only load. The compiler is switched off, except with Winch: Wasmtime asks the compiler's
/// settings whether code follows Winch's calling convention, and without them refuses all that does.
fn loading(profile: Profile, strategy: Strategy) -> Config {
    let mut config = codegen(profile, strategy);
    config.enable_compiler(strategy == Strategy::Winch);
    config
}

fn engine_error(error: &wasmtime::Error) -> HostError {
    HostError::Engine(format!("{error:#}"))
}

fn make(config: &Config) -> wasmtime::Result<Engine> {
    // With `RUST_BACKTRACE` set, each of Wasmtime's errors would hold the host's own stack: 45 MiB of symbols are read for the first,
    // and a guest that asks for the text of a failed read would be shown it.
    wasmtime::error::disable_backtrace();
    let engine = Engine::new(config)?;
    crate::handlers::installed();
    Ok(engine)
}

/// An engine that compiles; used by the separate compile process and by embedders, never by workers.
pub(crate) fn compiling_engine(profile: Profile, strategy: Strategy) -> Result<Engine, HostError> {
    make(&codegen(profile, strategy)).map_err(|error| engine_error(&error))
}

/// Name of the folder that holds artifacts for this build of the core, engine and compiler.
pub fn engine_key(profile: Profile, strategy: Strategy) -> Result<String, HostError> {
    struct Sha(Sha256);
    impl Hasher for Sha {
        fn finish(&self) -> u64 {
            let digest: [u8; 32] = self.0.clone().finalize().into();
            let mut first = [0; 8];
            first.copy_from_slice(digest.first_chunk::<8>().unwrap_or(&[0; 8]));
            u64::from_be_bytes(first)
        }
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
    }
    let engine = compiling_engine(profile, strategy)?;
    let mut hasher = Sha(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    snapshot::FORMAT.hash(&mut hasher);
    Ok(format!(
        "{}-{}-{:016x}",
        profile.name(),
        strategy.name(),
        hasher.finish()
    ))
}

/// Compiles a component to an AOT artifact. Meant for a separate, short-lived process with limits of its own.
pub fn compile(wasm: &[u8], profile: Profile, strategy: Strategy) -> Result<Vec<u8>, HostError> {
    crate::extent::check(wasm).map_err(HostError::Compile)?;
    let engine = compiling_engine(profile, strategy)?;
    snapshot::compiled(wasm, |wasm| {
        engine
            .precompile_component(wasm)
            .map_err(|error| HostError::Compile(format!("{error:#}")))
    })
}

/// A component of an artifact, and what its memories begin with.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) component: Component,
    pub(crate) snapshots: Snapshots,
}

/// An engine of a worker: loads artifacts, never compiles, and knows how many instances it can hold.
#[derive(Clone, Debug)]
pub(crate) struct RunningEngine {
    pub(crate) engine: Engine,
    /// One permit for each instance that the pool can hold.
    pub(crate) slots: Arc<Semaphore>,
    /// How many that is.
    pub(crate) instances: u32,
    /// How many it would be if address space were not short.
    pub(crate) wanted: u32,
}

/// The pool for `wanted` instances; where that cannot be had, one of half the size of the largest that could be
/// reserved, so that the heap, the code and other engines find room too.
fn largest(wanted: u32, pooled: impl Fn(u32) -> Option<Engine>) -> Option<(Engine, u32)> {
    let mut instances = wanted;
    loop {
        match pooled(instances) {
            Some(engine) if instances == wanted => return Some((engine, instances)),
            Some(first) => {
                drop(first);
                let rest = (instances / 2).max(1);
                return Some((pooled(rest)?, rest));
            }
            None if instances > 1 => instances /= 2,
            None => return None,
        }
    }
}

impl RunningEngine {
    /// Makes the engine with a pool for `demand`, and starts its ticker.
    ///
    /// Where address space is short the pool gets smaller, down to an engine without one that holds one instance at a
    /// time: requests then wait for a slot instead of failing for want of memory.
    pub(crate) fn new(
        profile: Profile,
        strategy: Strategy,
        demand: &Demand,
        workers: u32,
    ) -> Result<Self, HostError> {
        let wanted = demand.bounded(workers);
        let config = loading(profile, strategy);
        let pooled = |instances: u32| {
            let mut pooled = config.clone();
            demand.furnish(&mut pooled, profile, instances).ok()?;
            make(&pooled).ok()
        };
        let (engine, instances) = match largest(wanted, pooled) {
            Some(found) => found,
            None => (make(&config).map_err(|error| engine_error(&error))?, 1),
        };
        start_ticker(&engine, TICK)?;
        let slots = Arc::new(Semaphore::new(usize::try_from(instances).unwrap_or(1)));
        Ok(Self {
            engine,
            slots,
            instances,
            wanted,
        })
    }

    /// Makes an engine for one guest that has the process to itself: no pool, no ticker.
    pub(crate) fn on_demand(profile: Profile, strategy: Strategy) -> Result<Self, HostError> {
        let mut config = loading(profile, strategy);
        #[cfg(target_os = "linux")]
        config.with_host_memory(Arc::new(crate::memory::Apart));
        let engine = make(&config).map_err(|error| engine_error(&error))?;
        Ok(Self {
            engine,
            slots: Arc::new(Semaphore::new(1)),
            instances: 1,
            wanted: 1,
        })
    }

    /// Says so when address space was too short for what the manifest allows.
    pub(crate) fn warn_if_short(&self, log: &Log) {
        let Self {
            instances, wanted, ..
        } = self;
        if instances < wanted {
            let message = format!(
                "address space is short: {instances} instances at once instead of {wanted}, more requests wait; \
                 see `ulimit -v`"
            );
            log.worker("warning", &message);
        }
    }

    /// Makes an engine for guests inside somebody's program: no pool, because nobody knows how many there will be.
    pub(crate) fn ticking(
        profile: Profile,
        strategy: Strategy,
        tick: Duration,
    ) -> Result<Self, HostError> {
        let made = Self::on_demand(profile, strategy)?;
        start_ticker(&made.engine, tick)?;
        Ok(made)
    }

    /// Makes an engine that compiles, for core modules inside somebody's program.
    pub(crate) fn compiling(tick: Duration) -> Result<Engine, HostError> {
        let mut config = codegen(Profile::Sync, Strategy::Cranelift);
        config.memory_init_cow(true);
        let engine = make(&config).map_err(|error| engine_error(&error))?;
        start_ticker(&engine, tick)?;
        Ok(engine)
    }

    /// Maps an artifact of our own cache into memory.
    ///
    /// The caller names the length that it recorded when the artifact was written; owner and mode are checked on the
    /// open descriptor, and that same descriptor is what is mapped.
    pub(crate) fn load(&self, digest: &str, artifact: &Artifact) -> Result<Loaded, HostError> {
        let file = check(digest, artifact)?;
        let path = descriptor_path(&file, artifact);
        #[expect(unsafe_code, reason = "the one way to load compiled code; see SAFETY")]
        // SAFETY: the file was written by our own compile process under a name that is never reused with other content;
        // it belongs to this user, nobody else may write it, and its length is the one recorded when it was written.
        let component = unsafe { Component::deserialize_file(&self.engine, path) };
        let component = component.map_err(|error| unusable(digest, format!("{error:#}")))?;
        let snapshots =
            Snapshots::read(file).map_err(|error| unusable(digest, error.to_string()))?;
        Ok(Loaded {
            component,
            snapshots,
        })
    }
}

fn unusable(digest: &str, message: String) -> HostError {
    HostError::Artifact {
        digest: digest.to_owned(),
        message,
    }
}

/// Opens an artifact, if it is ours and as long as it has to be.
pub(crate) fn check(digest: &str, artifact: &Artifact) -> Result<File, HostError> {
    let checked = File::open(&artifact.path).and_then(|file| {
        check_owned(&file, artifact.size)?;
        Ok(file)
    });
    checked.map_err(|error| unusable(digest, error.to_string()))
}

/// The open descriptor by name, so that the file that was checked is the file that is mapped.
fn descriptor_path(file: &File, artifact: &Artifact) -> std::path::PathBuf {
    if cfg!(target_os = "linux") {
        format!("/proc/self/fd/{}", file.as_raw_fd()).into()
    } else {
        artifact.path.clone()
    }
}

fn check_owned(file: &File, size: u64) -> io::Result<()> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("it belongs to another user"));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(io::Error::other("others may write it"));
    }
    if metadata.len() != size {
        return Err(io::Error::other(format!(
            "it has {} bytes instead of {size}",
            metadata.len()
        )));
    }
    Ok(())
}

/// One thread per engine advances its epoch; it ends with the engine.
fn start_ticker(engine: &Engine, tick: Duration) -> Result<(), HostError> {
    let weak = engine.weak();
    std::thread::Builder::new()
        .name("epoch".into())
        .spawn(move || {
            while let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(tick);
            }
        })
        .map_err(|error| HostError::Engine(error.to_string()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;
    use crate::locked::Resources;

    const COMPONENT: &[u8] = br"(component (core module (memory 1) (table 2 funcref)))";

    const RESOURCES: Resources = Resources {
        core_instances: 14,
        memories: 1,
        tables: 2,
        table_elements: 30_000,
    };

    const ALL: [(Profile, Strategy); 4] = [
        (Profile::Sync, Strategy::Cranelift),
        (Profile::Sync, Strategy::Winch),
        (Profile::Async, Strategy::Cranelift),
        (Profile::Async, Strategy::Winch),
    ];

    fn artifact(folder: &Path, profile: Profile, strategy: Strategy) -> Artifact {
        let path = folder.join("component.cwasm");
        let bytes = compile(&wat::parse_bytes(COMPONENT).unwrap(), profile, strategy).unwrap();
        std::fs::write(&path, &bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let size = u64::try_from(bytes.len()).unwrap();
        Artifact {
            path,
            size,
            profile,
            resources: RESOURCES,
        }
    }

    fn running(artifact: &Artifact, strategy: Strategy) -> RunningEngine {
        let mut demand = Demand::default();
        demand.add(10, &artifact.resources, 1 << 20);
        RunningEngine::new(artifact.profile, strategy, &demand, 2).unwrap()
    }

    #[test]
    fn every_artifact_loads_in_the_engine_of_its_profile_and_compiler() {
        for (profile, strategy) in ALL {
            let folder = tempfile::tempdir().unwrap();
            let artifact = artifact(folder.path(), profile, strategy);

            running(&artifact, strategy)
                .load("sha256:00", &artifact)
                .unwrap();
            RunningEngine::on_demand(profile, strategy)
                .unwrap()
                .load("sha256:00", &artifact)
                .unwrap();
        }
    }

    #[test]
    fn every_profile_and_compiler_has_a_key_of_its_own_that_stays() {
        let keys = || ALL.map(|(profile, strategy)| engine_key(profile, strategy).unwrap());

        assert_eq!(std::collections::BTreeSet::from(keys()).len(), 4);
        assert_eq!(keys(), keys());
        assert!(keys()[0].starts_with("sync-cranelift-"), "{}", keys()[0]);
    }

    #[test]
    fn an_artifact_of_another_engine_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let artifact = artifact(folder.path(), Profile::Async, Strategy::Cranelift);

        let refused = RunningEngine::on_demand(Profile::Sync, Strategy::Cranelift);
        let refused = refused.unwrap().load("sha256:00", &artifact).err().unwrap();

        assert_eq!(
            (refused.kind(), refused.digest()),
            ("artifact", Some("sha256:00"))
        );
    }

    #[test]
    fn a_file_whose_end_is_not_that_of_an_artifact_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let artifact = artifact(folder.path(), Profile::Sync, Strategy::Cranelift);
        let mut bytes = std::fs::read(&artifact.path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&artifact.path, bytes).unwrap();

        let refused = running(&artifact, Strategy::Cranelift).load("sha256:00", &artifact);

        let refused = refused.err().unwrap().to_string();
        assert!(
            refused.contains("its end is not that of an artifact"),
            "{refused}"
        );
    }

    #[test]
    fn a_file_that_is_torn_or_that_others_may_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let artifact = artifact(folder.path(), Profile::Sync, Strategy::Cranelift);
        let engine = running(&artifact, Strategy::Cranelift);
        let refusal = || {
            engine
                .load("sha256:00", &artifact)
                .err()
                .unwrap()
                .to_string()
        };

        std::fs::set_permissions(&artifact.path, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(refusal().contains("others may write it"));
        std::fs::set_permissions(&artifact.path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let bytes = std::fs::read(&artifact.path).unwrap();
        std::fs::write(&artifact.path, &bytes[..bytes.len() / 2]).unwrap();
        assert!(refusal().contains("bytes instead of"));
        std::fs::remove_file(&artifact.path).unwrap();
        assert!(refusal().contains("No such file"));
    }

    #[test]
    fn bytes_that_are_no_component_do_not_compile() {
        let error = compile(b"(module)", Profile::Sync, Strategy::Cranelift).unwrap_err();

        assert_eq!(error.kind(), "component");
    }
}
