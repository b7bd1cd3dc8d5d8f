//! Wasmtime: configuration of each engine profile, the pool of instances' memory, AOT artifacts, and the epoch ticker.
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
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::error::HostError;
use crate::locked::{Artifact, Profile, Resources};

/// A guest that computes is interrupted this often, so that others on the same thread go on.
const TICK: Duration = Duration::from_millis(5);
/// Room for the guest's own stack: `CPython` recurses deeply.
const WASM_STACK: usize = 1 << 20;
/// The whole fiber: the rest is for host functions that run on it.
const FIBER_STACK: usize = 3 << 20;
/// Instances that one engine may hold at once whatever the manifest says: 4 GiB of address space each.
const MOST_INSTANCES: u32 = 4096;
/// Bytes of an artifact that must hold the memory of an interpreter.
const LARGE_ARTIFACT: u64 = 16 << 20;
/// Memory that an instance is expected to take at least; bounds the pool by the memory that is there.
const EXPECTED_INSTANCE_BYTES: u64 = 512 * 1024;

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
        .memory_init_cow(true)
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
    let engine = Engine::new(config)?;
    crate::handlers::installed();
    Ok(engine)
}

/// An engine that compiles; used by the separate compile process and by embedders, never by workers.
pub(crate) fn compiling_engine(profile: Profile, strategy: Strategy) -> Result<Engine, HostError> {
    make(&codegen(profile, strategy)).map_err(|error| engine_error(&error))
}

/// Name of the folder that holds artifacts for this build of the core, profile and compiler.
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
    Ok(format!(
        "{}-{}-{:016x}",
        profile.name(),
        strategy.name(),
        hasher.finish()
    ))
}

/// Compiles a component to an AOT artifact. Meant for a separate, short-lived process with limits of its own.
pub fn compile(wasm: &[u8], profile: Profile, strategy: Strategy) -> Result<Vec<u8>, HostError> {
    compiling_engine(profile, strategy)?
        .precompile_component(wasm)
        .map_err(|error| HostError::Compile(format!("{error:#}")))
}

/// How much memory the instances of a component begin with, which decides how they are made anew.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Image {
    /// Few pages: to give back those that were written costs least.
    #[default]
    Small,
    /// A snapshot of an interpreter: a request writes hundreds of its pages, and a page fault costs more than to copy
    /// the page, so the memory stays and the image is copied over it.
    Large,
}

impl Image {
    /// The image is most of a large artifact.
    pub(crate) fn of(artifact: &Artifact) -> Self {
        if artifact.size >= LARGE_ARTIFACT {
            Self::Large
        } else {
            Self::Small
        }
    }

    /// Bytes of memory and of table that stay with a slot of the pool between instances.
    fn resident(self) -> (usize, usize) {
        match self {
            Self::Small => (0, 16 << 10),
            Self::Large => (32 << 20, 256 << 10),
        }
    }
}

/// How many instances an engine must be able to hold, and what the largest of them needs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Demand {
    image: Image,
    instances: u32,
    largest: Resources,
    memory: u64,
}

impl Demand {
    /// Nothing yet, for components with such images.
    pub(crate) fn of(image: Image) -> Self {
        Self {
            image,
            ..Self::default()
        }
    }

    /// Adds a component that may have `instances` at once.
    pub(crate) fn add(&mut self, instances: u32, resources: &Resources, memory: u64) {
        self.instances = self.instances.saturating_add(instances);
        self.largest.core_instances = self.largest.core_instances.max(resources.core_instances);
        self.largest.memories = self.largest.memories.max(resources.memories);
        self.largest.tables = self.largest.tables.max(resources.tables);
        self.largest.table_elements = self.largest.table_elements.max(resources.table_elements);
        self.memory = self.memory.max(memory);
    }

    /// Instances that are really held at once: what is asked for, bounded by address space and memory.
    fn bounded(&self, workers: u32) -> u32 {
        let share = available_memory() / 2 / u64::from(workers.max(1));
        let by_memory = u32::try_from(share / EXPECTED_INSTANCE_BYTES).unwrap_or(u32::MAX);
        self.instances.min(MOST_INSTANCES).min(by_memory).max(1)
    }

    fn pooling(&self, profile: Profile, instances: u32) -> PoolingAllocationConfig {
        // A call has a stack of its own; with component-model-async the event loop of its instance has another.
        let stacks_per_instance = match profile {
            Profile::Sync => 1,
            Profile::Async => 2,
        };
        let times = |count: u32| instances.saturating_mul(count.max(1));
        let (memory_resident, table_resident) = self.image.resident();
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(instances)
            .linear_memory_keep_resident(memory_resident)
            .table_keep_resident(table_resident)
            .total_core_instances(times(self.largest.core_instances))
            .total_memories(times(self.largest.memories))
            .total_tables(times(self.largest.tables))
            .total_stacks(times(stacks_per_instance))
            .max_memories_per_module(self.largest.memories.max(1))
            .max_tables_per_module(self.largest.tables.max(1))
            .table_elements(
                usize::try_from(self.largest.table_elements)
                    .unwrap_or(usize::MAX)
                    .max(20_000),
            )
            .max_memory_size(
                usize::try_from(self.memory)
                    .unwrap_or(usize::MAX)
                    .next_multiple_of(1 << 16),
            )
            .max_component_instance_size(16 << 20)
            .max_core_instance_size(4 << 20)
            .max_unused_warm_slots(instances);
        pool
    }
}

/// Bytes of memory that this process may still take: what the machine has, or its cgroup allows.
fn available_memory() -> u64 {
    let machine = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| {
            let line = text
                .lines()
                .find(|line| line.starts_with("MemAvailable:"))?;
            line.split_whitespace()
                .nth(1)?
                .parse::<u64>()
                .ok()?
                .checked_mul(1024)
        });
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max")
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok());
    machine.unwrap_or(u64::MAX).min(group.unwrap_or(u64::MAX))
}

/// An engine of a worker: loads artifacts, never compiles, and knows how many instances it can hold.
#[derive(Clone, Debug)]
pub(crate) struct RunningEngine {
    pub(crate) engine: Engine,
    /// One permit for each instance that the pool can hold.
    pub(crate) slots: Arc<Semaphore>,
}

impl RunningEngine {
    /// Makes the engine with a pool for `demand`, on demand where address space is short, and starts its ticker.
    pub(crate) fn new(
        profile: Profile,
        strategy: Strategy,
        demand: &Demand,
        workers: u32,
    ) -> Result<Self, HostError> {
        let instances = demand.bounded(workers);
        let config = loading(profile, strategy);
        let mut pooled = config.clone();
        pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(
            demand.pooling(profile, instances),
        ));
        let engine = make(&pooled)
            .or_else(|_| make(&config))
            .map_err(|error| engine_error(&error))?;
        start_ticker(&engine, TICK)?;
        let slots = Arc::new(Semaphore::new(usize::try_from(instances).unwrap_or(1)));
        Ok(Self { engine, slots })
    }

    /// Makes an engine for one guest that has the process to itself: no pool, no ticker.
    pub(crate) fn on_demand(profile: Profile, strategy: Strategy) -> Result<Self, HostError> {
        let config = loading(profile, strategy);
        let engine = make(&config).map_err(|error| engine_error(&error))?;
        Ok(Self {
            engine,
            slots: Arc::new(Semaphore::new(1)),
        })
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
        let engine = compiling_engine(Profile::Sync, Strategy::Cranelift)?;
        start_ticker(&engine, tick)?;
        Ok(engine)
    }

    /// Maps an artifact of our own cache into memory.
    ///
    /// The caller names the length that it recorded when the artifact was written; owner and mode are checked on the
    /// open descriptor, and that same descriptor is what is mapped.
    pub(crate) fn load(&self, digest: &str, artifact: &Artifact) -> Result<Component, HostError> {
        let wrong = |message: String| HostError::Artifact {
            digest: digest.to_owned(),
            message,
        };
        let file = File::open(&artifact.path).map_err(|error| wrong(error.to_string()))?;
        check_owned(&file, artifact.size).map_err(|error| wrong(error.to_string()))?;
        let path = descriptor_path(&file, artifact);
        #[expect(unsafe_code, reason = "the one way to load compiled code; see SAFETY")]
        // SAFETY: the file was written by our own compile process under a name that is never reused with other content;
        // it belongs to this user, nobody else may write it, and its length is the one recorded when it was written.
        let component = unsafe { Component::deserialize_file(&self.engine, path) };
        component.map_err(|error| wrong(format!("{error:#}")))
    }
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

    const COMPONENT: &[u8] = br"(component (core module (memory 1) (table 2 funcref)))";

    fn artifact(folder: &Path, profile: Profile, strategy: Strategy) -> Artifact {
        let path = folder.join("component.cwasm");
        let bytes = compile(COMPONENT, profile, strategy).unwrap();
        std::fs::write(&path, &bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let size = u64::try_from(bytes.len()).unwrap();
        Artifact {
            path,
            size,
            profile,
            resources: Resources::default(),
        }
    }

    fn running(profile: Profile, strategy: Strategy) -> RunningEngine {
        let mut demand = Demand::default();
        demand.add(
            10,
            &Resources {
                core_instances: 14,
                memories: 1,
                tables: 2,
                table_elements: 30_000,
            },
            1 << 20,
        );
        RunningEngine::new(profile, strategy, &demand, 2).unwrap()
    }

    #[test]
    fn every_artifact_loads_in_the_engine_of_its_profile_and_compiler() {
        for profile in [Profile::Sync, Profile::Async] {
            for strategy in [Strategy::Cranelift, Strategy::Winch] {
                let folder = tempfile::tempdir().unwrap();
                let artifact = artifact(folder.path(), profile, strategy);

                running(profile, strategy)
                    .load("sha256:00", &artifact)
                    .unwrap();
                RunningEngine::on_demand(profile, strategy)
                    .unwrap()
                    .load("sha256:00", &artifact)
                    .unwrap();
            }
        }
    }

    #[test]
    fn every_profile_and_compiler_has_a_key_of_its_own_that_stays() {
        let all = [Profile::Sync, Profile::Async].map(|profile| {
            [Strategy::Cranelift, Strategy::Winch]
                .map(|strategy| engine_key(profile, strategy).unwrap())
        });
        let keys: std::collections::BTreeSet<_> = all.iter().flatten().collect();

        assert_eq!(keys.len(), 4);
        assert_eq!(
            engine_key(Profile::Sync, Strategy::Cranelift).unwrap(),
            all[0][0]
        );
        assert!(all[0][0].starts_with("sync-cranelift-"), "{}", all[0][0]);
    }

    #[test]
    fn an_artifact_of_another_engine_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let artifact = artifact(folder.path(), Profile::Async, Strategy::Cranelift);

        let refused = running(Profile::Sync, Strategy::Cranelift)
            .load("sha256:00", &artifact)
            .unwrap_err();

        assert_eq!(
            (refused.kind(), refused.digest()),
            ("artifact", Some("sha256:00"))
        );
    }

    #[test]
    fn a_file_that_is_torn_or_that_others_may_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let artifact = artifact(folder.path(), Profile::Sync, Strategy::Cranelift);
        let engine = running(Profile::Sync, Strategy::Cranelift);
        let refusal = || engine.load("sha256:00", &artifact).unwrap_err().to_string();

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
