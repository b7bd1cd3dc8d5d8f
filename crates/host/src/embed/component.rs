//! A component that was loaded, linked and is ready to be instantiated.

use std::pin::Pin;
use std::sync::Arc;

use wasmtime::component::{
    Component as WasmComponent, ComponentExportIndex, InstancePre, Linker, LinkerInstance, types,
};
use wasmtime::{AsContextMut, Engine};
use wisp_wasi::{Embedded, State};

use super::failure::{CallError, Thrown};
use super::instance::{Born, Instance, Limits, Live, bounded, explain, late};
use super::objects::{Objects, resource_type};
use super::output::LastWords;
use super::passage;
use super::world::{Function, Interface, TypeIndex, TypeKind, World};
use crate::engine::Loaded;
use crate::error::HostError;
use crate::snapshot::Snapshots;
use crate::value::{self, Ends, Fate, Given, Signature, Value};

/// The answer of a host function: its result, or what it failed with, which the guest's caller gets back.
pub type Answer = Pin<Box<dyn Future<Output = Result<Option<Value>, Thrown>> + Send>>;

/// The functions that an embedder gives to the guests of one component.
pub trait Imports: Send + Sync + std::fmt::Debug {
    /// Called on the thread that runs the guest, on the guest's stack; must not block.
    fn call(&self, place: ImportPlace, arguments: Vec<Value>) -> Answer;

    /// Called when the guest has dropped its handle of a resource that the embedder gave it, or has ended with it: on the
    /// thread that runs the guest, or on the one that ends it.
    fn dropped(&self, object: Given);
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
    imports: Arc<dyn Imports>,
    /// The resources that the embedder implements.
    resources: Arc<[TypeIndex]>,
    /// Whether its guests do several things at once.
    pub(super) concurrent: bool,
}

/// A component, ready to be instantiated as often as somebody likes.
#[derive(Clone)]
pub struct Component {
    shared: Arc<Shared>,
    pre: InstancePre<State>,
    engine: Engine,
    snapshots: Snapshots,
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
}

impl Component {
    pub(super) fn link(
        loaded: Loaded,
        mut linker: Linker<State>,
        world: World,
        given: &[usize],
        imports: &Arc<dyn Imports>,
    ) -> Result<Self, HostError> {
        let Loaded {
            component,
            snapshots,
        } = loaded;
        let world = Arc::new(world);
        linker.allow_shadowing(true);
        for place in given {
            define(&mut linker, &component, &world, *place).map_err(|error| link_error(&error))?;
        }
        let pre = linker
            .instantiate_pre(&component)
            .map_err(|error| link_error(&error))?;
        let functions = exports(&component, &world)?;
        let engine = component.engine().clone();
        let shared = Arc::new(Shared {
            resources: resources(&world, given),
            concurrent: world.concurrent(given),
            world,
            functions,
            imports: imports.clone(),
        });
        Ok(Self {
            shared,
            pre,
            engine,
            snapshots,
        })
    }

    /// What it imports and exports. Exported functions are called by their place among all of them.
    pub fn world(&self) -> &World {
        &self.shared.world
    }

    /// Makes an instance. Must run inside the runtime.
    pub async fn instantiate(&self, limits: Limits, grants: Grants) -> Result<Born, CallError> {
        let words = Arc::new(LastWords::new(grants.output));
        let Shared {
            imports, resources, ..
        } = &*self.shared;
        let objects = Arc::new(Objects::new(imports.clone(), resources.clone()));
        let embedded = Embedded {
            lines: words.clone(),
            environment: grants.environment,
            arguments: grants.arguments,
            memory: limits.memory,
            companion: objects.clone(),
        };
        let mut store = State::embedded(&self.engine, embedded);
        let made = self.pre.instantiate_async(&mut store);
        let made = bounded(limits.timeout, self.snapshots.around(made)).await;
        let instance = match made {
            Some(Ok(instance)) => instance,
            Some(Err(error)) => return Err(explain(Some(&store), &limits, &words, &error)),
            None => return Err(late(&limits, &words)),
        };
        let live = Live {
            store,
            instance,
            functions: vec![None; self.shared.functions.len()],
            objects,
        };
        Ok(Instance::begin(self.shared.clone(), limits, words, live))
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
    world: &World,
    place: usize,
) -> wasmtime::Result<()> {
    let Some(interface) = world.imports.get(place) else {
        return Ok(());
    };
    let mut instance = if interface.name.is_empty() {
        linker.root()
    } else {
        linker.instance(&interface.name)?
    };
    define_resources(&mut instance, world, interface)?;
    for (number, function) in interface.functions.iter().enumerate() {
        let place = ImportPlace {
            interface: place,
            function: number,
        };
        define_function(&mut instance, component, place, (interface, function))?;
    }
    Ok(())
}

/// The resources that these imported interfaces define.
fn resources(world: &World, given: &[usize]) -> Arc<[TypeIndex]> {
    let interfaces = given.iter().filter_map(|place| world.imports.get(*place));
    interfaces
        .flat_map(|interface| own_resources(world, interface))
        .map(|(_, place)| place)
        .collect()
}

fn own_resources<'a>(
    world: &'a World,
    interface: &'a Interface,
) -> impl Iterator<Item = (&'a str, TypeIndex)> {
    let types = interface.types.iter();
    types.filter_map(|(name, place)| {
        let definition = world.types.get(*place)?;
        let own = definition.kind == TypeKind::Resource && definition.owner == interface.name;
        own.then_some((name.as_str(), *place))
    })
}

fn define_resources(
    instance: &mut LinkerInstance<'_, State>,
    world: &World,
    interface: &Interface,
) -> wasmtime::Result<()> {
    for (name, place) in own_resources(world, interface) {
        instance.resource(name, resource_type(place), |store, number| {
            Objects::of(store.data().companion())?.dropped(number);
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
) -> wasmtime::Result<()> {
    let signature = signature(component, &interface.name, &function.name)
        .ok_or_else(|| wasmtime::Error::msg("an import is not in the component"))?;
    let passing = passage::passes(&signature).then(|| Arc::new(signature.clone()));
    if signature.asynchronous() {
        return value::define_concurrent(
            instance,
            &function.name,
            &signature,
            move |accessor, arguments| {
                let passing = passing.clone();
                let asked = accessor.with(|access| ask(access, place, arguments, passing));
                Box::pin(async move {
                    let (asked, answer) = asked?;
                    let answer = answer.await?;
                    accessor.with(|access| asked.answered(access, answer))
                })
            },
        );
    }
    value::define(
        instance,
        &function.name,
        &signature,
        move |mut store, arguments| {
            let asked = ask(&mut store, place, arguments, passing.clone());
            Box::pin(async move {
                let (asked, answer) = asked?;
                let answer = answer.await?;
                asked.answered(&mut store, answer)
            })
        },
    )
}

/// A question of a guest.
struct Asked {
    objects: Arc<Objects>,
    /// The signature of a function that passes streams or futures, and the ends of them that the store has.
    passing: Option<(Arc<Signature>, Arc<Ends>)>,
}

/// Asks the embedder, who answers when the future is awaited.
fn ask(
    mut store: impl AsContextMut<Data = State>,
    place: ImportPlace,
    mut arguments: Vec<Value>,
    passing: Option<Arc<Signature>>,
) -> wasmtime::Result<(Asked, Answer)> {
    let objects = Objects::of(store.as_context_mut().data().companion())?;
    objects.received(&mut store, &mut arguments)?;
    let passing = passing.map(|signature| (signature, Ends::new(&Arc::new(Fate::default()))));
    if let Some((signature, ends)) = &passing {
        let types = signature.parameters().iter().map(|(_, ty)| ty);
        passage::leave(&mut store, types, &mut arguments, ends)?;
        ends.watch(&mut store)?;
    }
    let answer = objects.imports().call(place, arguments);
    Ok((Asked { objects, passing }, answer))
}

impl Asked {
    /// What the embedder answered, as the guest takes it.
    fn answered(
        self,
        mut store: impl AsContextMut<Data = State>,
        mut answer: Option<Value>,
    ) -> wasmtime::Result<Option<Value>> {
        if let Some((signature, ends)) = &self.passing {
            let types = signature.result().into_iter();
            passage::enter(&mut store, types, answer.as_mut_slice(), ends)?;
        }
        self.objects.exchanged(store, answer.as_mut_slice())?;
        Ok(answer)
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
