//! The cron trigger: calls `wisp:cron/handler` of a component when the control plane says that it is time.
//!
//! A worker has no clock for this. The supervisor orders each run in one worker, so that a run happens once however many
//! workers there are, and it is told how the run ended. A run is a call like that of another component: it takes the
//! component's permit, its limits and its deadline.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use wasmtime::component::types::ComponentItem;

use crate::error::HostError;
use crate::link::{Callee, Exported};
use crate::pool::{InvokeError, Pool};
use crate::telemetry::RequestId;
use crate::value::{Signature, Type, Value};

const HANDLER: &str = "wisp:cron/handler@0.1.0";
const RUN: &str = "run";

/// Bytes of a guest's complaint, or of a backtrace, that reach the log.
const LONGEST_REASON: usize = 8 << 10;

/// One planned run, as the control plane orders it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The app's name.
    pub app: String,
    /// The component's name in the manifest.
    pub component: String,
    /// The schedule, as the manifest has it.
    pub schedule: String,
    /// The zone of the schedule.
    pub timezone: String,
    /// When it was planned, in seconds since 1970.
    pub planned: u64,
    /// 32 hexadecimal digits; the guest's lines have them.
    pub id: String,
}

/// How a run ended.
#[derive(Clone, Debug, Serialize)]
pub struct Ran {
    /// Which one.
    pub id: String,
    /// Microseconds from the order to the end.
    pub microseconds: u64,
    /// Why it failed, for the log; `None` when it did not.
    pub failure: Option<String>,
}

/// One run that is in progress, or whose end was not told yet: the host does not end before it is dropped.
#[derive(Debug)]
pub struct InProgress(Arc<watch::Sender<usize>>);

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// A component that runs by the clock.
#[derive(Debug)]
struct Job {
    pool: Arc<Pool>,
    function: Exported,
}

/// The components of this host that run by the clock.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    jobs: BTreeMap<(String, String), Arc<Job>>,
    running: Arc<watch::Sender<usize>>,
}

impl Jobs {
    /// Adds a component; refuses one that does not export the handler.
    pub(crate) fn add(&mut self, pool: &Arc<Pool>) -> Result<(), HostError> {
        let function = handler(pool).map_err(|message| HostError::Component {
            component: pool.component().to_owned(),
            message,
        })?;
        let pool = pool.clone();
        let key = (pool.app().to_owned(), pool.component().to_owned());
        self.jobs.insert(key, Arc::new(Job { pool, function }));
        Ok(())
    }

    /// Does one run. It counts as in progress from now on, until what it gives is dropped.
    pub(crate) fn run(&self, run: Run) -> impl Future<Output = (Ran, InProgress)> + use<> {
        self.running.send_modify(|count| *count += 1);
        let in_progress = InProgress(self.running.clone());
        let key = (run.app.clone(), run.component.clone());
        let job = self.jobs.get(&key).cloned();
        async move {
            let began = tokio::time::Instant::now();
            let id = run.id.clone();
            let failure = match job {
                Some(job) => job.run(run).await.err().map(shortened),
                None => Some(format!("there is no job `{}`", run.component)),
            };
            let microseconds = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
            let ran = Ran {
                id,
                microseconds,
                failure,
            };
            (ran, in_progress)
        }
    }

    /// Waits until no run is in progress.
    pub(crate) async fn idle(&self) {
        // The sender lives in `self`, so that this can only end by the count.
        let _ = self.running.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl Job {
    async fn run(&self, run: Run) -> Result<(), String> {
        let Some(id) = RequestId::parse(run.id.as_bytes()) else {
            return Err(format!("`{}` cannot name a run", run.id));
        };
        let tick = Value::Record(vec![
            Value::String(run.schedule),
            Value::String(run.timezone),
            Value::U64(run.planned),
            Value::String(run.id),
        ]);
        match self.pool.run(&self.function, vec![tick], id).await {
            Ok(Some(Value::Result(Err(Some(message))))) => match *message {
                Value::String(message) => Err(message),
                _ => Err("its error is not a string".into()),
            },
            Ok(_) => Ok(()),
            Err(InvokeError::Timeout) => {
                let limit = self.pool.limits().timeout_ms;
                Err(format!("it took longer than {limit} ms (limits.timeout)"))
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The function of a component that runs by the clock, or what is wrong with it.
fn handler(pool: &Pool) -> Result<Exported, String> {
    let found = pool.code().and_then(|code| {
        let interface = code.get_export_index(None, HANDLER)?;
        code.get_export(Some(&interface), RUN)
    });
    let Some((ComponentItem::ComponentFunc(function), index)) = found else {
        return Err(format!(
            "[[cron]] names it, and it does not export {HANDLER}"
        ));
    };
    let signature = Signature::of(&function);
    if !fits(&signature) {
        return Err(format!(
            "[[cron]] names it, and its {HANDLER} has another form: {signature}"
        ));
    }
    Ok(Exported { index, signature })
}

fn fits(signature: &Signature) -> bool {
    let tick = [
        ("schedule", Type::String),
        ("timezone", Type::String),
        ("planned", Type::U64),
        ("id", Type::String),
    ];
    let tick = Type::Record(tick.map(|(name, ty)| (name.into(), ty)).into());
    let result = Type::Result(None, Some(Box::new(Type::String)));
    let parameters = signature.parameters().iter().map(|(_, ty)| ty);
    !signature.asynchronous() && parameters.eq([&tick]) && signature.result() == Some(&result)
}

fn shortened(mut reason: String) -> String {
    if reason.len() > LONGEST_REASON {
        let end = reason.floor_char_boundary(LONGEST_REASON);
        reason.truncate(end);
        reason.push_str(" ...");
    }
    reason
}
