//! What a component ran into: each limit counted, and said in the log at most once a second.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use wisp_wasi::{Limit, Meter};

use super::metrics::Counters;
use super::throttle::Throttle;
use super::{Log, RequestId, Whose};

/// A component that runs into a limit all the time fills no log with it.
const PAUSE: Duration = Duration::from_secs(1);

/// The limits of one component in this worker, as far as it ran into them.
#[derive(Debug)]
pub(crate) struct Excesses {
    app: Arc<str>,
    component: Arc<str>,
    log: Log,
    counters: Arc<Counters>,
    throttle: Throttle,
    /// When each limit was last said; `None` stands for what is refused.
    said: Mutex<BTreeMap<Option<Limit>, Instant>>,
}

impl Excesses {
    /// `log_rate` is what the component may log in a second in this worker.
    pub(crate) fn new(
        app: &str,
        component: &str,
        log: Log,
        counters: Arc<Counters>,
        log_rate: u64,
    ) -> Arc<Self> {
        Arc::new(Self {
            app: app.into(),
            component: component.into(),
            log,
            counters,
            throttle: Throttle::new(log_rate, Instant::now()),
            said: Mutex::default(),
        })
    }

    /// The log of this worker.
    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// Whose lines those of a request are.
    pub(crate) fn whose(&self, id: Option<RequestId>) -> Whose<'_> {
        Whose {
            app: Some(&self.app),
            component: Some(&self.component),
            id,
        }
    }

    /// Counts without a word, because somebody else says it.
    pub(crate) fn count(&self, limit: Limit) {
        self.counters.exceeded(limit, 1);
    }

    /// Logs what a guest wrote, as much as the component may log.
    pub(crate) fn guest_line(&self, whose: Whose<'_>, stream: &str, text: &str) {
        if self.admits(text.len()) {
            self.log.guest(whose, stream, text);
        }
    }

    /// Logs what a guest said with a level and a context, under the same limit.
    pub(crate) fn entry(&self, whose: Whose<'_>, level: &str, context: &str, message: &str) {
        if self.admits(context.len() + message.len()) {
            self.log.entry(whose, level, context, message);
        }
    }

    /// Whether so many bytes may be logged now; counts those that may not.
    fn admits(&self, bytes: usize) -> bool {
        let (admitted, dropped) = self.throttle.admit(bytes + 1, Instant::now());
        self.say_dropped(dropped);
        if !admitted {
            self.count(Limit::Log);
        }
        admitted
    }

    /// Says how many lines were dropped, when a second has passed; called now and then.
    pub(crate) fn settle(&self) {
        self.say_dropped(self.throttle.settle(Instant::now()));
    }

    fn say_dropped(&self, lines: u64) {
        if lines > 0 {
            let message = format!("{lines} lines were dropped: more than `limits.log` allows");
            self.log.warning(&self.app, &self.component, &message);
        }
    }
}

impl Excesses {
    /// Whether it is time to say this again.
    fn may_say(&self, subject: Option<Limit>) -> bool {
        let now = Instant::now();
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = said
            .get(&subject)
            .is_some_and(|last| now.duration_since(*last) < PAUSE);
        if !recent {
            said.insert(subject, now);
        }
        !recent
    }
}

impl Meter for Excesses {
    fn exceeded(&self, limit: Limit) {
        self.count(limit);
        if self.may_say(Some(limit)) {
            let (component, key) = (&self.component, limit.key());
            let message = format!(
                "it wanted more than `limits.{key}` allows; see `{key}` in [component.{component}.limits]"
            );
            self.log.warning(&self.app, component, &message);
        }
    }

    fn refused(&self, what: &str) {
        if self.may_say(None) {
            self.log.warning(&self.app, &self.component, what);
        }
    }
}
