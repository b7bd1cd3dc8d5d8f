//! The locked app: what a worker is told to run, as the JSON that the control plane writes.
//!
//! Numbers are already resolved (bytes, milliseconds); nothing here has a default, so that there is one place that
//! decides them: the manifest models in Python.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Copying more than this takes longer than mapping it and copying the few pages that are touched.
const LITTLE_DATA: u64 = 128 << 10;

/// The only version of the format that this core reads.
pub(crate) const SCHEMA: u32 = 1;

/// An app with every component named by its digest.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedApp {
    /// Version of this format, see [`SCHEMA`].
    pub schema: u32,
    /// The app's name.
    pub name: String,
    /// The app's version.
    pub version: String,
    /// Routes of the HTTP trigger.
    pub http: Vec<LockedRoute>,
    /// Components by their name in the manifest.
    pub components: BTreeMap<String, LockedComponent>,
}

/// One route of the HTTP trigger.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedRoute {
    /// Path pattern: exact, `:name` segments, or a trailing `/...`.
    pub route: String,
    /// Methods; empty means any.
    pub methods: Vec<String>,
    /// Hosts, exact or `*.suffix`; empty means any.
    pub hosts: Vec<String>,
    /// The component that answers.
    pub component: String,
}

/// One component of a locked app.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedComponent {
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// Environment variables of the guest.
    pub environment: BTreeMap<String, String>,
    /// Limits, per host.
    pub limits: LockedLimits,
    /// How instances are reused.
    pub instances: LockedInstances,
    /// What it imports from other components of the app, by interface; fused links are in the component's bytes already.
    #[serde(default)]
    pub links: BTreeMap<String, LockedLink>,
}

/// A link of one import.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedLink {
    /// Name in the manifest of the component that answers.
    pub component: String,
    /// How it is called.
    pub mode: LinkMode,
}

/// How a link is called by the core.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum LinkMode {
    /// The other component answers from an instance of its own; values are copied.
    Bridged,
}

/// Limits of one component on one host; a worker enforces its share.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedLimits {
    /// Bytes of linear memory of one instance.
    pub memory: u64,
    /// Milliseconds of wall-clock time of one request, queueing included.
    pub timeout_ms: u64,
    /// Requests in progress at once.
    pub concurrency: u32,
    /// Requests that may wait for a permit.
    pub queue: u32,
    /// Milliseconds that a request may wait for a permit.
    pub queue_timeout_ms: u64,
    /// Bytes of a request body.
    pub body: u64,
}

/// How instances of one component are reused.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedInstances {
    /// Requests that one instance serves before it is dropped; 1 is a fresh instance for each.
    pub reuse: u32,
    /// Milliseconds after which an unused instance is dropped.
    pub idle_ms: u64,
    /// Requests at once in one instance (`wasi:http` 0.3 only).
    pub concurrency: u32,
}

/// An AOT artifact of a component, as the control plane found or made it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// Absolute path in our own cache.
    pub path: std::path::PathBuf,
    /// Length in bytes; a file of another length is not loaded.
    pub size: u64,
    /// The engine profile that it was compiled for.
    pub profile: Profile,
    /// What one instance takes from the pool.
    pub resources: Resources,
}

/// Which engine runs a component.
#[derive(
    Clone, Copy, Debug, Deserialize, serde::Serialize, Eq, Hash, Ord, PartialEq, PartialOrd,
)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// WASI 0.2, component-model-async off.
    Sync,
    /// WASI 0.3.
    Async,
}

/// How much data the memories of an instance begin with, which decides how they are made anew.
#[derive(
    Clone, Copy, Debug, Deserialize, serde::Serialize, Eq, Hash, Ord, PartialEq, PartialOrd,
)]
#[serde(rename_all = "lowercase")]
pub enum Data {
    /// So little that it is copied into memory that stays from one instance to the next.
    Little,
    /// An image of it is mapped, and only the pages that are touched are copied.
    Much,
}

impl Data {
    fn of(resources: &Resources) -> Self {
        if cfg!(target_os = "linux") && resources.data <= LITTLE_DATA {
            Self::Little
        } else {
            Self::Much
        }
    }
}

/// Which engine runs a component: code that was compiled for one is refused by the others.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct EngineKind {
    /// What the engine can do.
    pub profile: Profile,
    /// How it makes memories.
    pub data: Data,
}

impl EngineKind {
    /// The engine for a component of this profile whose instances take this much.
    pub fn new(profile: Profile, resources: &Resources) -> Self {
        Self {
            profile,
            data: Data::of(resources),
        }
    }

    /// The engine that an artifact was compiled for.
    pub fn of(artifact: &Artifact) -> Self {
        Self::new(artifact.profile, &artifact.resources)
    }
}

/// What one instance of a component takes.
#[derive(Clone, Copy, Debug, Default, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// Core module instances.
    pub core_instances: u32,
    /// Linear memories.
    pub memories: u32,
    /// Tables.
    pub tables: u32,
    /// Elements of the largest table.
    pub table_elements: u64,
    /// Bytes that are written to its memories when it begins.
    pub data: u64,
}
