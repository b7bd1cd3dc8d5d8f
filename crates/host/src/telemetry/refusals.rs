//! What a component was refused: each kind once in the log, all of them counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use wisp_wasi::{Denial, Denials};

use super::Log;

/// Different refusals that are told apart; a guest that makes up targets fills no more memory than this.
const MOST_KINDS: usize = 200;
/// Characters of a target that are kept.
const LONGEST_TARGET: usize = 300;

#[derive(Debug, Default)]
struct Kept {
    /// By import and target: the grant that was lacking, and how often.
    kinds: BTreeMap<(String, String), (String, u64)>,
    count: u64,
}

/// The refusals of one component in this worker.
#[derive(Debug)]
pub(crate) struct Refusals {
    app: Arc<str>,
    component: Arc<str>,
    log: Log,
    kept: Mutex<Kept>,
}

impl Refusals {
    pub(crate) fn new(app: Arc<str>, component: Arc<str>, log: Log) -> Arc<Self> {
        Arc::new(Self {
            app,
            component,
            log,
            kept: Mutex::default(),
        })
    }

    /// How often something was refused.
    pub(crate) fn count(&self) -> u64 {
        self.lock().count
    }

    /// Each kind of refusal as JSON.
    pub(crate) fn list(&self) -> Vec<Value> {
        let kept = self.lock();
        let kinds = kept.kinds.iter();
        kinds
            .map(|((import, target), (grant, count))| {
                json!({
                    "app": &*self.app, "component": &*self.component, "import": import, "target": target, "grant": grant,
                    "count": count,
                })
            })
            .collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Denials for Refusals {
    fn deny(&self, denial: Denial<'_>) {
        let target: String = denial.target.chars().take(LONGEST_TARGET).collect();
        let mut kept = self.lock();
        kept.count += 1;
        let full = kept.kinds.len() >= MOST_KINDS;
        let key = (denial.import.to_owned(), target);
        if let Some((_, count)) = kept.kinds.get_mut(&key) {
            *count += 1;
            return;
        }
        if full {
            return;
        }
        self.log.refusal(
            &self.app,
            &self.component,
            Denial {
                target: &key.1,
                ..denial
            },
        );
        kept.kinds.insert(key, (denial.grant.to_owned(), 1));
    }
}
