//! What the apps of this host offer to other apps, and to themselves from other hosts.
//!
//! A component is called from another app only through an interface that its manifest offers to that app. Components of
//! its own app call it as they are linked to it, wherever they run.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak};

use super::Carrier;
use super::envelope::{Reason, Refusal, Target};
use crate::link::{self, Callee, Exported, Here};

/// Offered to every app.
const EVERYBODY: &str = "*";

/// By interface: the apps that may call it.
pub(crate) type Offers = BTreeMap<String, Vec<String>>;

/// The components of this host that can be called, and the way to those of others.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    apps: RwLock<HashMap<String, HashMap<String, Arc<Entry>>>>,
    carrier: OnceLock<Arc<dyn Carrier>>,
}

#[derive(Debug)]
struct Entry {
    callee: Weak<dyn Callee>,
    offers: Offers,
    /// Functions that were called before, by interface and name: no more than the component exports.
    known: Mutex<HashMap<(String, String), Known>>,
}

/// A function of a component.
#[derive(Clone, Debug)]
struct Known {
    function: Arc<Exported>,
    digest: Arc<str>,
}

impl Directory {
    /// A component that others may call.
    pub(crate) fn add(
        &self,
        app: &str,
        component: &str,
        callee: &Arc<dyn Callee>,
        offers: &Offers,
    ) {
        let entry = Entry {
            callee: Arc::downgrade(callee),
            offers: offers.clone(),
            known: Mutex::default(),
        };
        let mut apps = self.apps.write().unwrap_or_else(PoisonError::into_inner);
        let app = apps.entry(app.to_owned()).or_default();
        app.insert(component.to_owned(), Arc::new(entry));
    }

    /// From now on calls of what does not run here go to other hosts.
    pub(crate) fn carry(&self, carrier: Arc<dyn Carrier>) {
        // A host is in one lattice, for as long as it runs.
        let _ = self.carrier.set(carrier);
    }

    pub(super) fn carrier(&self) -> Option<&Arc<dyn Carrier>> {
        self.carrier.get()
    }

    /// What is called, if it is here and the app may call it.
    pub(super) fn find(&self, target: &Target, app: &str) -> Result<Arc<Here>, Refusal> {
        let absent = |what: &str| {
            let Target { app, component, .. } = target;
            Refusal::new(
                Reason::Absent,
                format!("{what} `{component}` of {app} runs here"),
            )
        };
        let entry = {
            let apps = self.apps.read().unwrap_or_else(PoisonError::into_inner);
            let app = apps.get(&target.app);
            app.and_then(|app| app.get(&target.component)).cloned()
        };
        let entry = entry.ok_or_else(|| absent("no"))?;
        let callee = entry.callee.upgrade();
        let callee = callee.ok_or_else(|| absent("no longer"))?;
        if app != target.app {
            entry.require_offer(target, app)?;
        }
        let known = entry.function(&*callee, target)?;
        if *known.digest != *target.signature {
            let Target {
                component,
                interface,
                function,
                ..
            } = target;
            let message = format!(
                "{component} exports {interface}#{function} as {}, which is not what the caller imports",
                known.function.signature
            );
            return Err(Refusal::new(Reason::Differs, message));
        }
        let function = known.function;
        Ok(Arc::new(Here { callee, function }))
    }
}

impl Entry {
    fn require_offer(&self, target: &Target, app: &str) -> Result<(), Refusal> {
        let wanted = track(&target.interface);
        let mut offers = self.offers.iter();
        let apps = offers.find(|(offered, _)| track(offered) == wanted);
        let offered =
            apps.is_some_and(|(_, apps)| apps.iter().any(|one| one == app || one == EVERYBODY));
        if offered {
            return Ok(());
        }
        let Target {
            app: owner,
            component,
            interface,
            ..
        } = target;
        let message = format!(
            "{owner} does not offer {interface} to {app}; its manifest would: [component.{component}.offer] \"{interface}\" = [\"{app}\"]"
        );
        Err(Refusal::new(Reason::Denied, message))
    }

    fn function(&self, callee: &dyn Callee, target: &Target) -> Result<Known, Refusal> {
        let Target {
            component,
            interface,
            function,
            ..
        } = target;
        let key = (interface.clone(), function.clone());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(&key) {
            return Ok(known.clone());
        }
        let Some(code) = callee.code() else {
            let message = format!("{component} is not loaded yet");
            return Err(Refusal::new(Reason::Absent, message));
        };
        let Some(found) = link::exported(&code, interface, function) else {
            let message = format!("{component} does not export {interface}#{function}");
            return Err(Refusal::new(Reason::Differs, message));
        };
        if let Err(error) = link::check_crosses(&found.signature) {
            return Err(Refusal::new(Reason::Differs, error.to_string()));
        }
        let found = Known {
            digest: found.signature.digest().into(),
            function: Arc::new(found),
        };
        known.insert(key, found.clone());
        Ok(found)
    }
}

/// The name of an interface, with the part of its version that has to be equal: where one may stand for another.
fn track(interface: &str) -> (&str, &str) {
    let Some((name, version)) = interface.split_once('@') else {
        return (interface, "");
    };
    let mut parts = version.split('.');
    let (major, minor, patch) = (parts.next(), parts.next(), parts.next());
    let exact = version.contains(['-', '+']);
    let length = match (major, minor, patch) {
        _ if exact => version.len(),
        (Some("0"), Some("0"), Some(_)) => version.len(),
        (Some("0"), Some(minor), Some(_)) => 2 + minor.len(),
        (Some(major), Some(_), Some(_)) => major.len(),
        _ => version.len(),
    };
    (name, version.get(..length).unwrap_or(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_one_track_may_stand_for_each_other_and_no_others() {
        let same = |one: &str, other: &str| track(one) == track(other);

        assert!(same("a:b/c@1.2.3", "a:b/c@1.9.0"));
        assert!(same("a:b/c@0.2.3", "a:b/c@0.2.9"));
        assert!(same("a:b/c", "a:b/c"));
        assert!(!same("a:b/c@1.2.3", "a:b/c@2.0.0"));
        assert!(!same("a:b/c@0.2.3", "a:b/c@0.3.0"));
        assert!(!same("a:b/c@0.0.3", "a:b/c@0.0.4"));
        assert!(!same("a:b/c@1.2.3", "a:b/d@1.2.3"));
        assert!(!same("a:b/c@1.0.0-rc1", "a:b/c@1.0.0"));
        assert!(!same("a:b/c@1.0.0", "a:b/c"));
    }
}
