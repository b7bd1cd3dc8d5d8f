//! Links: imports of a component that another component of the same app answers from an instance of its own.
//!
//! Theory of operation. A bridged link is made when the host loads: for each function of the interface the signatures on
//! both sides are compared and kept, and the import is defined as a function of the host that calls the other
//! component's pool. A call takes the callee's permit and instance, runs under the callee's limits and grants, and copies
//! values only: nothing of one store is ever seen in the other. What the callee does wrong (trap, timeout, overload) is a
//! trap of the caller whose message names both. The caller's own deadline holds too: when the caller is dropped, the
//! future of the call inside it is dropped, and with it the callee's instance.
//!
//! Handles mean nothing in another store, so functions that pass resources are refused when the host loads, by name.
//! Streams and futures of numbers and strings are led from one store to the other ([`crossing`]). Calls cannot run in
//! circles, because a component that is reached from itself is refused too.
//!
//! The same links, and those of an address alone, let a guest reach `http://<component>.internal/`: see `peers`.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use wasmtime::component::types::{ComponentInstance, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex, Linker, LinkerInstance};
use wasmtime::error::Context;
use wasmtime::{Result, bail};
use wasmtime_wasi_http::WasiBody;
use wisp_wasi::{PeerResponse, State};

use crate::errand::Errand;
use crate::value::{self, Payload, Signature, Type, Value};

mod crossing;

use crossing::Bridge;
pub(crate) use crossing::{Begun, Crossing};

/// The result of a call of another component, at some time.
pub(crate) type Called = Pin<Box<dyn Future<Output = Result<Option<Value>>> + Send>>;

/// The same for a call that may go on after it has returned.
pub(crate) type Returned = Pin<Box<dyn Future<Output = Result<Crossing>> + Send>>;

/// A function that a component exports.
#[derive(Debug)]
pub(crate) struct Exported {
    pub(crate) index: ComponentExportIndex,
    pub(crate) signature: Signature,
}

/// A component that others call; implemented by the pool of its instances, which is above links.
pub(crate) trait Callee: Send + Sync + std::fmt::Debug {
    /// Its name in the manifest.
    fn name(&self) -> &str;

    /// Its code; looked at when a link to it is made. `None` when it is not loaded, or was not made to be called.
    fn code(&self) -> Option<Component>;

    /// Called for each bridged call, many times at once. Dropping the future drops the instance that it runs in.
    fn call(
        self: Arc<Self>,
        function: Arc<Exported>,
        arguments: Vec<Value>,
        errand: Errand,
    ) -> Called;

    /// Called for each bridged call of an async function, or of one with streams; what is open then goes on after it has
    /// returned. Dropping the future before drops the instance.
    fn begin(self: Arc<Self>, function: Arc<Exported>, begun: Begun) -> Returned;

    /// Bytes that the arguments of a call from another host may have.
    fn most_argument_bytes(&self) -> u64;

    /// Whether requests can be sent to it.
    fn serves_http(&self) -> bool;

    /// Called for each request to `http://<name>.internal/`; `None` when it does not serve HTTP.
    fn fetch(self: Arc<Self>, request: http::Request<WasiBody>) -> Option<PeerResponse>;
}

/// One function that somebody answers: a component beside the caller, or one on another host.
pub(crate) trait Answers: Send + Sync + std::fmt::Debug {
    /// Called for each call, many times at once. Dropping the future ends the call.
    fn call(self: Arc<Self>, arguments: Vec<Value>, errand: Errand) -> Called;

    /// Called for each call of an async function, or of one with streams; see [`Callee::begin`].
    fn begin(self: Arc<Self>, begun: Begun) -> Returned;
}

/// Who a link leads to; asked while the link is made.
pub(crate) trait Provider {
    /// Its name, for messages.
    fn name(&self) -> String;

    /// What answers a function that is imported with this signature.
    fn function(
        &self,
        interface: &str,
        name: &str,
        signature: &Signature,
    ) -> Result<Arc<dyn Answers>>;
}

/// A function of a component in this process.
#[derive(Debug)]
pub(crate) struct Here {
    pub(crate) callee: Arc<dyn Callee>,
    pub(crate) function: Arc<Exported>,
}

impl Answers for Here {
    fn call(self: Arc<Self>, arguments: Vec<Value>, errand: Errand) -> Called {
        self.callee
            .clone()
            .call(self.function.clone(), arguments, errand)
    }

    fn begin(self: Arc<Self>, begun: Begun) -> Returned {
        self.callee.clone().begin(self.function.clone(), begun)
    }
}

/// What `code` exports as a function of an interface.
pub(crate) fn exported(code: &Component, interface: &str, name: &str) -> Option<Exported> {
    let interface = code.get_export_index(None, interface)?;
    match code.get_export(Some(&interface), name)? {
        (ComponentItem::ComponentFunc(function), index) => Some(Exported {
            index,
            signature: Signature::of(&function),
        }),
        _ => None,
    }
}

/// A component of the same app, which answers with an instance of its own.
struct Neighbour<'a> {
    caller: &'a str,
    callee: &'a Arc<dyn Callee>,
}

impl Provider for Neighbour<'_> {
    fn name(&self) -> String {
        self.callee.name().to_owned()
    }

    fn function(
        &self,
        interface: &str,
        name: &str,
        signature: &Signature,
    ) -> Result<Arc<dyn Answers>> {
        let code = self.callee.code();
        let Some(function) = code.and_then(|code| exported(&code, interface, name)) else {
            bail!("`{}` does not export it", self.callee.name());
        };
        if function.signature != *signature {
            bail!(
                "`{}` imports {signature}, and `{}` exports {}",
                self.caller,
                self.callee.name(),
                function.signature
            );
        }
        Ok(Arc::new(Here {
            callee: self.callee.clone(),
            function: Arc::new(function),
        }))
    }
}

/// Lets `callee` answer what a component with this name and code imports as `interface`.
pub(crate) fn bridge(
    linker: &mut Linker<State>,
    (name, code): (&str, &Component),
    interface: &str,
    callee: &Arc<dyn Callee>,
) -> Result<()> {
    let provider = Neighbour {
        caller: name,
        callee,
    };
    answer(linker, (name, code), interface, &provider)
}

/// Lets `provider` answer what a component with this name and code imports as `interface`.
pub(crate) fn answer(
    linker: &mut Linker<State>,
    (name, code): (&str, &Component),
    interface: &str,
    provider: &dyn Provider,
) -> Result<()> {
    let engine = linker.engine().clone();
    let ty = code.component_type();
    let Some(import) = ty.get_import(&engine, interface) else {
        bail!(
            "it does not import {interface}, which is linked to `{}`",
            provider.name()
        );
    };
    let ComponentItem::ComponentInstance(import) = import.ty else {
        bail!("{interface} is not an interface, which alone can be linked");
    };
    let link = Link {
        caller: name,
        interface,
        provider,
    };
    link.functions(&mut linker.instance(interface)?, &import, &engine)
}

/// One link, while it is made.
struct Link<'a> {
    caller: &'a str,
    interface: &'a str,
    provider: &'a dyn Provider,
}

impl Link<'_> {
    fn functions(
        &self,
        linker: &mut LinkerInstance<'_, State>,
        import: &ComponentInstance,
        engine: &wasmtime::Engine,
    ) -> Result<()> {
        for (name, item) in import.exports(engine) {
            if let ComponentItem::ComponentFunc(function) = item.ty {
                let signature = Signature::of(&function);
                self.function(linker, name, &signature)
                    .with_context(|| format!("{}: function {name}", self.interface))?;
            }
        }
        Ok(())
    }

    fn function(
        &self,
        linker: &mut LinkerInstance<'_, State>,
        name: &str,
        signature: &Signature,
    ) -> Result<()> {
        check_crosses(signature)?;
        let function = self.provider.function(self.interface, name, signature)?;
        let place: Arc<str> = format!(
            "{}#{name} of `{}`, called by `{}`",
            self.interface,
            self.provider.name(),
            self.caller
        )
        .into();
        if goes_on(signature) {
            let bridge = Arc::new(Bridge {
                signature: signature.clone(),
                function,
                place,
            });
            return if signature.asynchronous() {
                value::define_concurrent(linker, name, signature, move |accessor, values| {
                    bridge.answer_concurrent(accessor, values)
                })
            } else {
                value::define(linker, name, signature, move |store, values| {
                    bridge.answer(store, values)
                })
            };
        }
        value::define(linker, name, signature, move |store, arguments| {
            let errand = Errand::in_store(store.data());
            let answer = function.clone().call(arguments, errand);
            let place = place.clone();
            Box::pin(async move { answer.await.context(place) })
        })
    }
}

/// Refuses what cannot get from one store to another.
pub(crate) fn check_crosses(signature: &Signature) -> Result<()> {
    let stuck = |ty: &Type| match ty {
        Type::Stream(_) | Type::Future(_) => Payload::of(ty).is_none(),
        Type::Own(_) | Type::Borrow(_) | Type::Unsupported(_) => true,
        _ => false,
    };
    match signature.types().find_map(|ty| ty.find(&stuck)) {
        None => Ok(()),
        Some(ty) => bail!("`{ty}` cannot cross a bridged link, only a fused one"),
    }
}

/// Whether something of a call may go on after it has returned.
pub(crate) fn goes_on(signature: &Signature) -> bool {
    let open = |ty: &Type| matches!(ty, Type::Stream(_) | Type::Future(_));
    signature.asynchronous() || signature.types().any(|ty| ty.find(&open).is_some())
}

/// The components of an app, each after all those that it is linked to; an error is the path of a circle.
pub(crate) fn in_order<'a>(
    links: &BTreeMap<&'a str, Vec<&'a str>>,
) -> std::result::Result<Vec<&'a str>, String> {
    let mut order = Vec::new();
    for name in links.keys() {
        visit(links, name, &mut Vec::new(), &mut order)?;
    }
    Ok(order)
}

fn visit<'a>(
    links: &BTreeMap<&'a str, Vec<&'a str>>,
    name: &'a str,
    path: &mut Vec<&'a str>,
    order: &mut Vec<&'a str>,
) -> std::result::Result<(), String> {
    if order.contains(&name) {
        return Ok(());
    }
    let circle = path.contains(&name);
    path.push(name);
    if circle {
        return Err(format!("links run in a circle: {}", path.join(" -> ")));
    }
    for next in links.get(name).into_iter().flatten() {
        visit(links, next, path, order)?;
    }
    path.pop();
    order.push(name);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(links: &[(&'static str, &[&'static str])]) -> Result<Vec<&'static str>, String> {
        let links = links
            .iter()
            .map(|(name, linked)| (*name, linked.to_vec()))
            .collect();
        in_order(&links)
    }

    #[test]
    fn what_is_linked_to_comes_first() {
        let order = order(&[("a", &["c", "b"]), ("b", &["c"]), ("c", &[])]);

        assert_eq!(order, Ok(vec!["c", "b", "a"]));
    }

    #[test]
    fn a_circle_is_shown_as_a_path() {
        let order = order(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])]);

        assert_eq!(
            order,
            Err("links run in a circle: a -> b -> c -> b".to_owned())
        );
    }
}
