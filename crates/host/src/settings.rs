//! How a host serves: what does not belong to any app. Like the locked app, it has no defaults of its own.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::engine::Strategy;
use crate::lattice::LatticeSettings;
use crate::locked::{Artifact, Hidden, LockedApp};

/// Everything that a host is told when it starts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// How it serves.
    pub settings: Settings,
    /// What it serves.
    pub apps: Vec<LockedApp>,
    /// The AOT artifact of each component, by digest.
    pub artifacts: BTreeMap<String, Artifact>,
    /// How it talks to other hosts, when it is part of a lattice.
    #[serde(default)]
    pub lattice: Option<LatticeSettings>,
    /// The NATS of the lattice that this host belongs to.
    #[serde(default)]
    pub nats: Option<NatsSettings>,
}

/// Where the NATS of a lattice is, and how we prove who we are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NatsSettings {
    /// The lattice's name.
    pub lattice: String,
    /// Addresses, `nats://HOST:PORT` or `tls://HOST:PORT`; any of them will do.
    pub servers: Vec<String>,
    /// How many servers keep each stream.
    pub replicas: u32,
    /// A token.
    pub token: Option<Hidden>,
    /// A user, with a password.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Hidden>,
    /// The seed of an nkey.
    pub nkey: Option<Hidden>,
    /// A JWT with its seed, as a `.creds` file has them.
    pub credentials: Option<Hidden>,
    /// A PEM file of the certificates that servers are verified with.
    pub ca: Option<PathBuf>,
    /// Whether TLS begins before the server has said anything.
    #[serde(default)]
    pub tls_first: bool,
    /// A PEM file of our certificate chain.
    pub certificate: Option<PathBuf>,
    /// A PEM file of its key.
    pub key: Option<PathBuf>,
}

/// Settings of one worker.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Index of this worker, from 0.
    pub worker: u32,
    /// How many workers share the limits of this host.
    pub workers: u32,
    /// Which compiler made the artifacts.
    pub compiler_strategy: Strategy,
    /// What is logged and how.
    pub log: LogSettings,
    /// The HTTP trigger.
    pub http: HttpSettings,
}

impl Settings {
    /// This worker's share of a limit that holds for the whole host, rounded up, at least 1.
    pub fn share(&self, limit: u32) -> u32 {
        limit.div_ceil(self.workers.max(1)).max(1)
    }

    /// The same for bytes, of which there may be none.
    pub fn share_of_bytes(&self, limit: u64) -> u64 {
        limit.div_ceil(u64::from(self.workers.max(1)))
    }
}

/// What is logged and how.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// Lines for people or for machines.
    pub format: LogFormat,
    /// A line for each request.
    pub access: bool,
    /// Colours in lines for people.
    pub color: bool,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line of text.
    Text,
    /// One JSON object a line.
    Json,
}

/// Settings of the HTTP trigger.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSettings {
    /// Certificate and key; `None` serves plain HTTP.
    pub tls: Option<TlsSettings>,
    /// Bytes that the head of a request may have.
    pub header_bytes: u32,
    /// Milliseconds that the head of a request may take to arrive.
    pub header_timeout_ms: u64,
    /// Milliseconds that a connection may be idle between requests.
    pub keep_alive_ms: u64,
    /// Connections open at once in this worker.
    pub max_connections: u32,
    /// Networks (CIDR) whose `x-forwarded-*` headers are believed.
    pub trusted_proxies: Vec<String>,
}

/// Certificate and key of a TLS listener, in PEM files.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}
