//! The locked app: what a worker is told to run, as the JSON that the control plane writes.
//!
//! Numbers are already resolved (bytes, milliseconds); nothing here has a default, so that there is one place that
//! decides them: the manifest models in Python.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

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
    /// Components that run by the clock; the control plane says when.
    pub cron: Vec<LockedCron>,
    /// The folder of its stores on this machine.
    pub state: PathBuf,
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
    pub component: Option<String>,
    /// What is answered without a component.
    pub response: Option<LockedResponse>,
    /// What its guest is told of the request.
    pub convention: Convention,
}

/// An answer that needs no component.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedResponse {
    /// The status.
    pub status: u16,
    /// Headers, each with one value.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
}

/// Whose rules a route follows, and whose headers tell its guest about the request.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Convention {
    /// Ours.
    #[default]
    Wisp,
    /// Those of Spin: a slash at the end of a path does not count, and the headers are called `spin-*`.
    Spin,
}

/// One component of a locked app.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct LockedComponent {
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// Environment variables of the guest.
    pub environment: BTreeMap<String, String>,
    /// What it may use.
    pub grants: LockedGrants,
    /// Limits, per host.
    pub limits: LockedLimits,
    /// How instances are reused.
    pub instances: LockedInstances,
    /// What it imports from other components of the app, by interface; fused links are in the component's bytes already.
    #[serde(default)]
    pub links: BTreeMap<String, LockedLink>,
    /// What components of other apps may call, by interface: the names of these apps, or `*`.
    #[serde(default)]
    pub offers: BTreeMap<String, Vec<String>>,
}

/// A link of one import.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct LockedLink {
    /// Name in the manifest of the component that answers.
    pub component: String,
    /// How it is called.
    pub mode: LinkMode,
    /// The app that it belongs to; `None` for the same one.
    #[serde(default)]
    pub app: Option<String>,
    /// Whether a call may be made again that may have run.
    #[serde(default)]
    pub idempotent: bool,
}

/// How a link is called by the core.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum LinkMode {
    /// The other component answers from an instance of its own; values are copied.
    Bridged,
    /// The same, here or on another host of the lattice.
    Remote,
}

/// Limits of one component on one host; a worker enforces its share.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
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
    /// Bytes of the head of a request.
    pub headers: u64,
    /// Bytes of a response body.
    pub response: u64,
    /// Milliseconds of processor time of one request.
    pub cpu_ms: u64,
    /// Elements of all tables of one instance.
    pub table: u32,
    /// Resources that one instance holds.
    pub handles: u32,
    /// Requests and connections that one request may begin to the outside.
    pub outbound: u32,
    /// Connections to the outside, per host.
    pub connections: u32,
    /// Bytes of the body of a response from outside.
    pub download: u64,
    /// Bytes of log lines in a second, per host.
    pub log: u64,
    /// Bytes of each store, and of each folder that it may write to.
    pub store: u64,
    /// Bytes to which one file may grow.
    pub file: u64,
    /// Files and folders that one instance has open.
    pub files: u32,
}

/// What a component may use of the world.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct LockedGrants {
    /// Where it may send requests.
    pub http: Vec<LockedTarget>,
    /// Where it may open sockets.
    pub sockets: Vec<LockedTarget>,
    /// Folders that it sees.
    pub files: Vec<LockedFolder>,
    /// Key-value stores, by name.
    pub keyvalue: Vec<String>,
    /// Containers of blobs, by name.
    pub blobstore: Vec<String>,
    /// SQLite databases, by name.
    pub sqlite: Vec<String>,
    /// Subjects that it may publish to.
    pub messaging: Vec<String>,
    /// Its configuration.
    pub config: BTreeMap<String, Hidden>,
}

/// Text that may be a secret: it is never shown.
#[derive(Clone, Deserialize, PartialEq)]
#[serde(transparent)]
pub struct Hidden(String);

impl Hidden {
    /// The text itself, for the guest.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Hidden {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("(hidden)")
    }
}

/// Where a component may send something.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct LockedTarget {
    /// As the manifest has it.
    pub text: String,
    /// `http`, `https`, `tcp`, `udp`; `*` for any.
    pub scheme: String,
    /// How `host` is meant.
    pub kind: TargetKind,
    /// In lower case.
    pub host: String,
    /// The first port.
    pub first_port: u16,
    /// The last port.
    pub last_port: u16,
    /// Whether a name may lead to private addresses.
    pub private: bool,
    /// A PEM file of trusted certificates, in place of the system's.
    pub roots: Option<PathBuf>,
    /// A PEM file of the client's certificate chain.
    pub certificate: Option<PathBuf>,
    /// A PEM file of its key.
    pub key: Option<PathBuf>,
}

/// How the host of a target is meant.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum TargetKind {
    /// One name.
    Name,
    /// All names below one.
    Suffix,
    /// All names.
    Any,
    /// A network of addresses, as CIDR.
    Network,
}

/// A folder that a component sees.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct LockedFolder {
    /// The folder on this machine, absolute.
    pub source: PathBuf,
    /// Where the component sees it.
    pub mount: String,
    /// Whether it may change what is in it.
    pub write: bool,
}

/// A component that runs by the clock.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedCron {
    /// When, as five fields.
    pub schedule: String,
    /// The zone of the schedule.
    pub timezone: String,
    /// Whether runs may overlap.
    pub overlap: bool,
    /// What runs.
    pub component: String,
}

/// How instances of one component are reused.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
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
    pub path: PathBuf,
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
}
