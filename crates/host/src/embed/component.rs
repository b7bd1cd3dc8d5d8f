//! A component that was loaded, linked and is ready to be instantiated.

use std::pin::Pin;
use std::sync::Arc;

use wasmtime::Engine;
use wasmtime::component::{
    Component as WasmComponent, ComponentExportIndex, InstancePre, Linker, LinkerInstance,
    ResourceType, types,
};
use wisp_wasi::{Companion, Embedded, State};

use super::failure::{CallError, Thrown};
use super::instance::{Instance, Limits, Live, bounded, explain, late};
use super::output::LastWords;
use super::world::{Function, Interface, TypeIndex, TypeKind, World};
use crate::error::HostError;
use crate::value::{self, Signature, Value};

/// The answer of a host function: its result, or what it failed with, which the guest's caller gets back.
pub type Answer = Pin<Box<dyn Future<Output = Result<Option<Value>, Thrown>> + Send>>;

/// The functions that an embedder gives to the guests of one component.
pub trait Imports: Send + Sync + std::fmt::Debug {
    /// Called on the thread that runs the guest; must not block. `companion` is the calling instance's.
    fn call(&self, companion: Companion, place: ImportPlace, arguments: Vec<Value>) -> Answer;

    /// Called when the guest has dropped the last handle of a resource that the embedder made.
    fn dropped(&self, companion: Companion, resource: TypeIndex, number: u32);
}

/// Which imported function: the places of its interface and of itself in [`World::imports`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ImportPlace {
    /// In [`World::imports`].
    pub interface: usize,
    /// In [`Interface::functions`].
    pub function: usize,
}

/// What all instances of a component share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) world: Arc<World>,
    /// Where the exported functions are, interface by interface.
    pub(super) functions: Vec<ComponentExportIndex>,
}

/// A component, ready to be instantiated as often as somebody likes.
#[derive(Clone)]
pub struct Component {
    shared: Arc<Shared>,
    pre: InstancePre<State>,
    engine: Engine,
}

impl std::fmt::Debug for Component {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Component")
            .field("functions", &self.shared.functions.len())
            .finish_non_exhaustive()
    }
}

/// What an instance is given besides its limits.
#[derive(Clone, Debug)]
pub struct Grants {
    /// Its variables.
    pub environment: Vec<(String, String)>,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Whether its output goes to this process's own streams.
    pub output: bool,
    /// What the host functions find again.
    pub companion: Companion,
}

impl Component {
    pub(super) fn link(
        component: &WasmComponent,
        mut linker: Linker<State>,
        world: World,
        given: &[usize],
        imports: &Arc<dyn Imports>,
    ) -> Result<Self, HostError> {
        let world = Arc::new(world);
        linker.allow_shadowing(true);
        for place in given {
            define(&mut linker, component, &world, *place, imports)
                .map_err(|error| link_error(&error))?;
        }
        let pre = linker
            .instantiate_pre(component)
            .map_err(|error| link_error(&error))?;
        let functions = exports(component, &world)?;
        let engine = component.engine().clone();
        let shared = Arc::new(Shared { world, functions });
        Ok(Self {
            shared,
            pre,
            engine,
        })
    }

    /// What it imports and exports. Exported functions are called by their place among all of them.
    pub fn world(&self) -> &World {
        &self.shared.world
    }

    /// Makes an instance. Must run inside the runtime.
    pub async fn instantiate(&self, limits: Limits, grants: Grants) -> Result<Instance, CallError> {
        let words = Arc::new(LastWords::new(grants.output));
        let embedded = Embedded {
            lines: words.clone(),
            environment: grants.environment,
            arguments: grants.arguments,
            memory: limits.memory,
            companion: grants.companion,
        };
        let mut store = State::embedded(&self.engine, embedded);
        let made = bounded(limits.timeout, self.pre.instantiate_async(&mut store)).await;
        let instance = match made {
            Some(Ok(instance)) => instance,
            Some(Err(error)) => return Err(explain(Some(&store), &limits, &words, &error)),
            None => return Err(late(&limits, &words)),
        };
        let live = Live {
            store,
            instance,
            functions: vec![None; self.shared.functions.len()],
        };
        Ok(Instance::new(self.shared.clone(), limits, words, live))
    }
}

fn link_error(error: &wasmtime::Error) -> HostError {
    HostError::Link(format!("{error:#}"))
}

/// Every exported function, interface by interface.
fn exports(
    component: &WasmComponent,
    world: &World,
) -> Result<Vec<ComponentExportIndex>, HostError> {
    let mut found = Vec::new();
    for interface in &world.exports {
        let parent = if interface.name.is_empty() {
            None
        } else {
            component.get_export_index(None, interface.name.as_str())
        };
        for function in &interface.functions {
            let index = component
                .get_export_index(parent.as_ref(), function.name.as_str())
                .ok_or_else(|| {
                    HostError::Link(format!("it lacks its own export `{}`", function.name))
                })?;
            found.push(index);
        }
    }
    Ok(found)
}

/// Gives the guest an interface whose functions are the embedder's.
fn define(
    linker: &mut Linker<State>,
    component: &WasmComponent,
    world: &Arc<World>,
    place: usize,
    imports: &Arc<dyn Imports>,
) -> wasmtime::Result<()> {
    let Some(interface) = world.imports.get(place) else {
        return Ok(());
    };
    let mut instance = if interface.name.is_empty() {
        linker.root()
    } else {
        linker.instance(&interface.name)?
    };
    define_resources(&mut instance, world, interface, imports)?;
    for (number, function) in interface.functions.iter().enumerate() {
        let place = ImportPlace {
            interface: place,
            function: number,
        };
        define_function(
            &mut instance,
            component,
            place,
            (interface, function),
            imports,
        )?;
    }
    Ok(())
}

fn define_resources(
    instance: &mut LinkerInstance<'_, State>,
    world: &Arc<World>,
    interface: &Interface,
    imports: &Arc<dyn Imports>,
) -> wasmtime::Result<()> {
    for (name, place) in &interface.types {
        let Some(definition) = world.types.get(*place) else {
            continue;
        };
        if definition.kind != TypeKind::Resource || definition.owner != interface.name {
            continue;
        }
        let (imports, resource) = (imports.clone(), *place);
        let ty = ResourceType::host_dynamic(u32::try_from(resource).unwrap_or(u32::MAX));
        instance.resource(name, ty, move |store, number| {
            if let Some(companion) = store.data().companion() {
                imports.dropped(companion, resource, number);
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn define_function(
    instance: &mut LinkerInstance<'_, State>,
    component: &WasmComponent,
    place: ImportPlace,
    (interface, function): (&Interface, &Function),
    imports: &Arc<dyn Imports>,
) -> wasmtime::Result<()> {
    let signature = signature(component, &interface.name, &function.name)
        .ok_or_else(|| wasmtime::Error::msg("an import is not in the component"))?;
    let imports = imports.clone();
    if signature.asynchronous() {
        return value::define_concurrent(
            instance,
            &function.name,
            &signature,
            move |accessor, arguments| {
                let companion = accessor.with(|mut access| access.get().companion());
                Box::pin(answer(&*imports, companion, place, arguments))
            },
        );
    }
    value::define(
        instance,
        &function.name,
        &signature,
        move |store, arguments| {
            let companion = store.data().companion();
            Box::pin(answer(&*imports, companion, place, arguments))
        },
    )
}

/// The question is asked now, and answered when the future is awaited.
fn answer(
    imports: &dyn Imports,
    companion: Option<Companion>,
    place: ImportPlace,
    arguments: Vec<Value>,
) -> impl Future<Output = wasmtime::Result<Option<Value>>> + Send + use<> {
    let asked = companion.map(|companion| imports.call(companion, place, arguments));
    async move {
        match asked {
            Some(asked) => Ok(asked.await?),
            None => Err(wasmtime::Error::msg("the instance has no embedder")),
        }
    }
}

fn signature(component: &WasmComponent, interface: &str, function: &str) -> Option<Signature> {
    let (ty, engine) = (component.component_type(), component.engine());
    let found = if interface.is_empty() {
        ty.get_import(engine, function)?.ty
    } else {
        let types::ComponentItem::ComponentInstance(instance) =
            ty.get_import(engine, interface)?.ty
        else {
            return None;
        };
        instance.get_export(engine, function)?.ty
    };
    match found {
        types::ComponentItem::ComponentFunc(function) => Some(Signature::of(&function)),
        _ => None,
    }
}
