//! What the host gives its guests beyond computing, each capability in a file of its own.
//!
//! A capability finds the component that calls it as the companion of the instance's state: a [`Grantee`]. It looks at the
//! grants before it does anything, answers with its interface's own error when something was not granted, and says so with
//! [`Grantee::deny`].

use std::path::PathBuf;
use std::sync::Arc;

use wisp_wasi::{Denial, Denials, State};

use crate::locked::{LockedGrants, LockedLimits};
use crate::telemetry::{Excesses, Refusals};

/// A component of an app, as capabilities know it; the same for all its instances in this worker.
#[derive(Debug)]
pub(crate) struct Grantee {
    pub(crate) app: Arc<str>,
    pub(crate) component: Arc<str>,
    pub(crate) grants: LockedGrants,
    pub(crate) limits: LockedLimits,
    /// The folder of the app's stores.
    pub(crate) state: PathBuf,
    pub(crate) refusals: Arc<Refusals>,
    /// Counts what it runs into, and bounds what it logs.
    pub(crate) excesses: Arc<Excesses>,
}

impl Grantee {
    /// The component that an instance belongs to; `None` for one inside somebody's program.
    #[expect(dead_code, reason = "the capabilities come next")]
    pub(crate) fn of(state: &State) -> Option<Arc<Self>> {
        state.companion()?.downcast().ok()
    }

    /// Says that something was refused.
    #[expect(dead_code, reason = "the capabilities come next")]
    pub(crate) fn deny(&self, import: &str, target: &str, grant: &str) {
        self.refusals.deny(Denial {
            import,
            target,
            grant,
        });
    }
}
