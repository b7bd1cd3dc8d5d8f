//! A NATS server of a test's own, which it may stop, kill and start again.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::json;
use tempfile::TempDir;

use super::Nats;
use crate::settings::{LogFormat, LogSettings};
use crate::telemetry::Log;

/// Bytes of a message, as the server of `wisp lattice up` has it.
const LARGEST: usize = 8 << 20;

/// A server with its data in a folder.
pub(crate) struct Server {
    _folder: TempDir,
    port: u16,
    process: Mutex<Option<Child>>,
}

/// The program of the package that our work tree's environment has, or of the machine.
fn program() -> PathBuf {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/bin/nats-server");
    if ours.exists() {
        ours
    } else {
        "nats-server".into()
    }
}

impl Server {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (process, port) = begin(folder.path());
        Self {
            _folder: folder,
            port,
            process: Mutex::new(Some(process)),
        }
    }

    /// Ends it at once, as a power cut would, but for what the system has to write still.
    pub(crate) fn kill(&self) {
        if let Some(mut process) = self.process.lock().unwrap().take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Where it answers.
    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// A connection of a worker's own.
    pub(crate) fn nats(&self) -> Arc<Nats> {
        let settings = json!({ "lattice": "test", "servers": [self.url()], "replicas": 1 });
        let log = LogSettings {
            format: LogFormat::Json,
            access: false,
            color: false,
        };
        let log = Log::writing_to(&log, 0, Box::new(std::io::sink()));
        Nats::new(serde_json::from_value(settings).unwrap(), log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts the program, and waits until it says that it is ready.
fn begin(folder: &Path) -> (Child, u16) {
    let data = folder.join("jetstream");
    let config = folder.join("nats.conf");
    let text = format!(
        "host: 127.0.0.1\nport: -1\nmax_payload: {LARGEST}\njetstream {{ store_dir: {data:?}, max_file_store: 1TB }}\n"
    );
    std::fs::write(&config, text).unwrap();
    let mut process = Command::new(program())
        .arg("--config")
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("nats-server is in .venv/bin, or on the path");
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    let mut said = Vec::new();
    let mut listening = None;
    loop {
        let line = lines
            .next()
            .unwrap_or_else(|| panic!("nats-server has ended: {said:?}"));
        let line = line.unwrap();
        if let Some((_, address)) = line.split_once("client connections on 127.0.0.1:") {
            listening = Some(address.trim().parse().unwrap());
        }
        if line.contains("Server is ready") {
            break;
        }
        said.push(line);
    }
    // It would wait for a reader otherwise.
    std::thread::spawn(move || lines.for_each(drop));
    (process, listening.unwrap())
}
