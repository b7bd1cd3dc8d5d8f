//! Makes one component of several: imports of one are answered by exports of another.
//!
//! Each part becomes an instance inside the composition, made once, however many others call it; a part that is linked to twice
//! under two names is two instances. What no link answers stays an import of the whole, and equal imports become one. The
//! exports are those of the entry.
//!
//! Inside a composition the host cannot tell which part calls it. So a part that is linked to keeps only what gives nothing
//! away ([`deny::is_harmless`]), unless it may do what the entry may; everything else is answered inside by a component that
//! denies ([`deny::denying`]).

mod deny;
mod stub;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use wac_graph::types::{ItemKind, Package, SubtypeChecker, Type, Types, are_semver_compatible};
use wac_graph::{CompositionGraph, EncodeOptions, NodeId, PackageId};

/// What is to be composed: the parts by their names, of which one is the entry.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Composition {
    /// The part whose exports the composition has.
    pub entry: String,
    /// All parts that the entry reaches by links.
    pub parts: BTreeMap<String, Part>,
}

/// One component of a composition.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Which of the components it is.
    pub component: usize,
    /// By imported interface: the part that answers.
    pub links: BTreeMap<String, String>,
    /// Interfaces that the host answers, whatever they are.
    pub open: BTreeSet<String>,
    /// It may do whatever the entry may.
    pub trusted: bool,
}

/// Why components were not composed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComposeError {
    /// A link leads to a part that is not there, or an entry that is not.
    #[error("there is no component `{0}` to compose")]
    UnknownPart(String),
    /// A part's bytes are not a component that can be composed.
    #[error("component {component} cannot be composed: {message}")]
    Component {
        /// Name of the part.
        component: String,
        /// What is wrong with it.
        message: String,
    },
    /// A link names an interface that the component does not import.
    #[error("component {component} does not import {interface}; it imports {}", listed(.imports))]
    NoImport {
        /// Name of the part.
        component: String,
        /// The interface of the link.
        interface: String,
        /// What it imports.
        imports: Vec<String>,
    },
    /// A link leads to a component that does not export the interface.
    #[error("component {provider} does not export {interface}; it exports {}", listed(.exports))]
    NoExport {
        /// The part with the link.
        component: String,
        /// The interface of the link.
        interface: String,
        /// Where the link leads.
        provider: String,
        /// What that exports.
        exports: Vec<String>,
    },
    /// Both sides have the interface, and mean different things by it.
    #[error("{interface} is not the same in {component} and in {provider}: {message}")]
    Mismatch {
        /// The part with the link.
        component: String,
        /// The interface of the link.
        interface: String,
        /// Where the link leads.
        provider: String,
        /// The first difference.
        message: String,
    },
    /// Components that need each other before they exist.
    #[error("the links go in a circle: {}", .0.join(" -> "))]
    Cycle(Vec<String>),
    /// The parts cannot be in one component.
    #[error("the components cannot be composed: {0}")]
    Invalid(String),
}

impl ComposeError {
    /// The component and the interface of the link that is at fault, where one is.
    pub fn link(&self) -> Option<(&str, &str)> {
        match self {
            Self::NoImport {
                component,
                interface,
                ..
            }
            | Self::NoExport {
                component,
                interface,
                ..
            }
            | Self::Mismatch {
                component,
                interface,
                ..
            } => Some((component, interface)),
            _ => None,
        }
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    names.join(", ")
}

/// Composes `components` as `composition` says.
pub fn compose(
    composition: &Composition,
    components: &[impl AsRef<[u8]>],
) -> Result<Vec<u8>, ComposeError> {
    let mut composer = Composer {
        composition,
        components,
        graph: CompositionGraph::new(),
        packages: HashMap::new(),
        instances: HashMap::new(),
    };
    let entry = composer.instance(&composition.entry, &mut Vec::new())?;
    composer.export(entry)?;
    let options = EncodeOptions {
        validate: true,
        ..EncodeOptions::default()
    };
    composer
        .graph
        .encode(options)
        .map_err(|error| ComposeError::Invalid(chain(&error)))
}

/// The interfaces through which a component can be linked.
#[derive(Clone, Debug, Serialize)]
pub struct Interfaces {
    /// What it imports.
    pub imports: Vec<Import>,
    /// The names of what it exports.
    pub exports: Vec<String>,
}

/// One import of a component.
#[derive(Clone, Debug, Serialize)]
pub struct Import {
    /// Its name.
    pub name: String,
    /// It has functions or resources, so something must answer; an interface of plain types needs nothing.
    pub needed: bool,
}

/// Reads the interfaces of the component `name`.
pub fn interfaces(name: &str, wasm: &[u8]) -> Result<Interfaces, ComposeError> {
    let mut types = Types::default();
    let package = Package::from_bytes(name, None, wasm, &mut types)
        .map_err(|error| unreadable(name, &error))?;
    let world = &types[package.ty()];
    let needed = |kind: &ItemKind| match kind {
        ItemKind::Instance(id) => types[*id]
            .exports
            .values()
            .any(|item| !matches!(item, ItemKind::Type(Type::Value(_)))),
        ItemKind::Type(_) => false,
        _ => true,
    };
    Ok(Interfaces {
        imports: world
            .imports
            .iter()
            .map(|(name, kind)| Import {
                name: name.clone(),
                needed: needed(kind),
            })
            .collect(),
        exports: world.exports.keys().cloned().collect(),
    })
}

/// Says whether one link fits, without composing anything: for links that are not fused, and to find the one that does not fit.
///
/// `provider` and `consumer` come with their names.
pub fn check_link(
    (consumer, consumer_wasm): (&str, &[u8]),
    interface: &str,
    (provider, provider_wasm): (&str, &[u8]),
) -> Result<(), ComposeError> {
    let part = |component| Part {
        component,
        ..Part::default()
    };
    let composition = Composition {
        entry: consumer.to_owned(),
        parts: BTreeMap::from([
            (consumer.to_owned(), part(0)),
            (provider.to_owned(), part(1)),
        ]),
    };
    let components = [consumer_wasm, provider_wasm];
    let mut composer = Composer {
        composition: &composition,
        components: &components,
        graph: CompositionGraph::new(),
        packages: HashMap::new(),
        instances: HashMap::new(),
    };
    let importer = composer.package(consumer, 0)?;
    let exporter = composer.package(provider, 1)?;
    let expected = composer.imported(consumer, importer, interface)?;
    let (_, found) = composer.exported((consumer, interface), provider, exporter)?;
    composer.compare((consumer, interface), provider, found, expected)
}

struct Composer<'a, Bytes> {
    composition: &'a Composition,
    components: &'a [Bytes],
    graph: CompositionGraph,
    packages: HashMap<usize, PackageId>,
    instances: HashMap<String, NodeId>,
}

impl<Bytes: AsRef<[u8]>> Composer<'_, Bytes> {
    /// The one instance of a part, after those that it needs; `path` leads to it.
    fn instance(&mut self, name: &str, path: &mut Vec<String>) -> Result<NodeId, ComposeError> {
        if let Some(instance) = self.instances.get(name) {
            return Ok(*instance);
        }
        if let Some(begin) = path.iter().position(|passed| passed == name) {
            let mut circle = path.split_off(begin);
            circle.push(name.to_owned());
            return Err(ComposeError::Cycle(circle));
        }
        let composition = self.composition;
        let part = composition
            .parts
            .get(name)
            .ok_or_else(|| ComposeError::UnknownPart(name.to_owned()))?;
        path.push(name.to_owned());
        let package = self.package(name, part.component)?;
        let mut answers = Vec::new();
        for (interface, provider) in &part.links {
            answers.push(self.answer((name, package), interface, provider, path)?);
        }
        path.pop();
        if name != composition.entry && !part.trusted {
            answers.extend(self.denials(name, package, part)?);
        }
        let instance = self.graph.instantiate(package);
        for (interface, answer) in answers {
            self.graph
                .set_instantiation_argument(instance, &interface, answer)
                .map_err(|error| ComposeError::Invalid(chain(&error)))?;
        }
        self.instances.insert(name.to_owned(), instance);
        Ok(instance)
    }

    /// What answers one import of a part.
    fn answer(
        &mut self,
        (name, package): (&str, PackageId),
        interface: &str,
        provider: &str,
        path: &mut Vec<String>,
    ) -> Result<(String, NodeId), ComposeError> {
        let expected = self.imported(name, package, interface)?;
        let instance = self.instance(provider, path)?;
        let exporter = self.graph[instance]
            .package()
            .ok_or_else(|| ComposeError::UnknownPart(provider.to_owned()))?;
        let (export, found) = self.exported((name, interface), provider, exporter)?;
        self.compare((name, interface), provider, found, expected)?;
        let node = self
            .graph
            .alias_instance_export(instance, &export)
            .map_err(|error| ComposeError::Invalid(chain(&error)))?;
        Ok((interface.to_owned(), node))
    }

    /// Answers to all that a part imports and may not use.
    fn denials(
        &mut self,
        name: &str,
        package: PackageId,
        part: &Part,
    ) -> Result<Vec<(String, NodeId)>, ComposeError> {
        let denied: BTreeSet<String> = self
            .imports(package)
            .filter(|(interface, kind)| {
                matches!(kind, ItemKind::Instance(_))
                    && !part.links.contains_key(*interface)
                    && !part.open.contains(*interface)
                    && !deny::is_harmless(interface)
            })
            .map(|(interface, _)| interface.to_owned())
            .collect();
        if denied.is_empty() {
            return Ok(Vec::new());
        }
        let failed = |message| ComposeError::Component {
            component: name.to_owned(),
            message,
        };
        let wasm = self.bytes(name, part.component)?;
        let stub = deny::denying(name, wasm, &denied).map_err(failed)?;
        let stub = self.register(&format!("denied:{name}"), stub)?;
        let instance = self.graph.instantiate(stub);
        let mut answers = Vec::new();
        for interface in denied {
            let node = self
                .graph
                .alias_instance_export(instance, &interface)
                .map_err(|error| ComposeError::Invalid(chain(&error)))?;
            answers.push((interface, node));
        }
        Ok(answers)
    }

    fn export(&mut self, entry: NodeId) -> Result<(), ComposeError> {
        let Some(package) = self.graph[entry].package() else {
            return Ok(());
        };
        let types = self.graph.types();
        let names: Vec<String> = types[self.graph[package].ty()]
            .exports
            .keys()
            .cloned()
            .collect();
        let invalid = |message| ComposeError::Invalid(message);
        for name in names {
            let node = self
                .graph
                .alias_instance_export(entry, &name)
                .map_err(|error| invalid(chain(&error)))?;
            self.graph
                .export(node, &name)
                .map_err(|error| invalid(chain(&error)))?;
        }
        Ok(())
    }

    fn imports(&self, package: PackageId) -> impl Iterator<Item = (&str, &ItemKind)> {
        let world = &self.graph.types()[self.graph[package].ty()];
        world
            .imports
            .iter()
            .map(|(name, kind)| (name.as_str(), kind))
    }

    fn imported(
        &self,
        component: &str,
        package: PackageId,
        interface: &str,
    ) -> Result<ItemKind, ComposeError> {
        self.imports(package)
            .find_map(|(name, kind)| (name == interface).then_some(*kind))
            .ok_or_else(|| ComposeError::NoImport {
                component: component.to_owned(),
                interface: interface.to_owned(),
                imports: self
                    .imports(package)
                    .map(|(name, _)| name.to_owned())
                    .collect(),
            })
    }

    /// What a provider exports for an interface: under its name, or as a version that is compatible with it.
    fn exported(
        &self,
        (component, interface): (&str, &str),
        provider: &str,
        package: PackageId,
    ) -> Result<(String, ItemKind), ComposeError> {
        let exports = &self.graph.types()[self.graph[package].ty()].exports;
        exports
            .get_key_value(interface)
            .or_else(|| {
                exports
                    .iter()
                    .find(|(name, _)| are_semver_compatible(name, interface))
            })
            .map(|(name, kind)| (name.clone(), *kind))
            .ok_or_else(|| ComposeError::NoExport {
                component: component.to_owned(),
                interface: interface.to_owned(),
                provider: provider.to_owned(),
                exports: exports.keys().cloned().collect(),
            })
    }

    fn compare(
        &self,
        (component, interface): (&str, &str),
        provider: &str,
        found: ItemKind,
        expected: ItemKind,
    ) -> Result<(), ComposeError> {
        let types = self.graph.types();
        SubtypeChecker::new(&mut std::collections::HashSet::default())
            .is_subtype(found, types, expected, types)
            .map_err(|error| ComposeError::Mismatch {
                component: component.to_owned(),
                interface: interface.to_owned(),
                provider: provider.to_owned(),
                message: format!("{error:#}"),
            })
    }

    /// A component as a package of the graph; the same one is in the composition once.
    fn package(&mut self, name: &str, component: usize) -> Result<PackageId, ComposeError> {
        if let Some(package) = self.packages.get(&component) {
            return Ok(*package);
        }
        let wasm = self.bytes(name, component)?.to_vec();
        let package = self.register(name, wasm)?;
        self.packages.insert(component, package);
        Ok(package)
    }

    fn register(&mut self, name: &str, wasm: Vec<u8>) -> Result<PackageId, ComposeError> {
        let package = Package::from_bytes(name, None, wasm, self.graph.types_mut())
            .map_err(|error| unreadable(name, &error))?;
        self.graph
            .register_package(package)
            .map_err(|error| ComposeError::Invalid(chain(&error)))
    }

    fn bytes(&self, name: &str, component: usize) -> Result<&[u8], ComposeError> {
        self.components
            .get(component)
            .map(AsRef::as_ref)
            .ok_or_else(|| ComposeError::UnknownPart(name.to_owned()))
    }
}

fn unreadable(component: &str, error: &impl std::fmt::Display) -> ComposeError {
    ComposeError::Component {
        component: component.to_owned(),
        message: format!("{error:#}"),
    }
}

/// An error with all its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
