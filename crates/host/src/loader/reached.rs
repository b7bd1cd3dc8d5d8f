//! Which components of an app reach which others.

use std::collections::{BTreeMap, BTreeSet};

use wisp_wasi::OWN_HOST;

use crate::error::HostError;
use crate::link;
use crate::locked::{LockedApp, LockedComponent};
use crate::peers;

/// Those of an app that call others by interface, and those that they call, each after all that it calls.
pub(super) fn callees_first(app: &LockedApp) -> Result<Vec<String>, HostError> {
    let missing =
        |name: &str| HostError::Links(format!("there is no component `{name}` to be linked to"));
    let mut links: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, component) in &app.components {
        for (interface, link) in &component.links {
            if link.app.is_some() {
                continue;
            }
            if !app.components.contains_key(&link.component) {
                return Err(missing(&link.component));
            }
            if peers::peer(interface).is_none() {
                links.entry(name).or_default().push(&link.component);
            }
        }
    }
    let order = link::in_order(&links).map_err(HostError::Links)?;
    Ok(order.into_iter().map(str::to_owned).collect())
}

/// The names of the components that others are linked to.
pub(super) fn linked(app: &LockedApp) -> BTreeSet<String> {
    let links = app.components.values().flat_map(|one| one.links.values());
    let here = links.filter(|link| link.app.is_none());
    here.map(|link| link.component.clone()).collect()
}

/// The names of the components that others call by interface, or the clock, or that take messages.
pub(super) fn called(app: &LockedApp) -> BTreeSet<String> {
    let links = app.components.values().flat_map(|one| &one.links);
    let linked =
        links.filter(|(interface, link)| peers::peer(interface).is_none() && link.app.is_none());
    let linked = linked.map(|(_, link)| link.component.clone());
    let timed = app.cron.iter().map(|cron| cron.component.clone());
    let taking = app.messaging.iter().map(|one| one.component.clone());
    let offering = app
        .components
        .iter()
        .filter(|(_, one)| !one.offers.is_empty());
    let offering = offering.map(|(name, _)| name.clone());
    linked.chain(timed).chain(taking).chain(offering).collect()
}

/// Whether a component may send requests to the routes of its own app.
pub(super) fn reaches_itself(app: &LockedApp) -> bool {
    app.components.values().any(has_own_routes)
}

pub(super) fn has_own_routes(component: &LockedComponent) -> bool {
    let mut granted = component.grants.http.iter();
    granted.any(|target| target.host == OWN_HOST)
}
