//! Reads a component into what merging needs: its core side as a graph, the rest as bytes.

use wasmparser::{
    CanonicalFunction, Chunk, ComponentAlias, ComponentExternalKind, ComponentInstance,
    ComponentOuterAliasKind, ComponentType, ComponentTypeRef, ComponentTypeSectionReader, Encoding,
    ExternalKind, Instance, Parser, Payload,
};

use super::MergeError;
use super::module::Module;
use super::renumber::{Needs, needs_of_canonical};

/// What a core module imports, defines and exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Function,
    Table,
    Memory,
    Global,
    Tag,
}

impl From<ExternalKind> for Kind {
    fn from(kind: ExternalKind) -> Self {
        match kind {
            ExternalKind::Func | ExternalKind::FuncExact => Self::Function,
            ExternalKind::Table => Self::Table,
            ExternalKind::Memory => Self::Memory,
            ExternalKind::Global => Self::Global,
            ExternalKind::Tag => Self::Tag,
        }
    }
}

impl From<Kind> for wasm_encoder::ExportKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Function => Self::Func,
            Kind::Table => Self::Table,
            Kind::Memory => Self::Memory,
            Kind::Global => Self::Global,
            Kind::Tag => Self::Tag,
        }
    }
}

/// One value for each [`Kind`].
#[derive(Clone, Debug, Default)]
pub(super) struct ByKind<T>([T; 5]);

impl<T> ByKind<T> {
    pub(super) fn get(&self, kind: Kind) -> &T {
        let [function, table, memory, global, tag] = &self.0;
        match kind {
            Kind::Function => function,
            Kind::Table => table,
            Kind::Memory => memory,
            Kind::Global => global,
            Kind::Tag => tag,
        }
    }

    pub(super) fn get_mut(&mut self, kind: Kind) -> &mut T {
        let [function, table, memory, global, tag] = &mut self.0;
        match kind {
            Kind::Function => function,
            Kind::Table => table,
            Kind::Memory => memory,
            Kind::Global => global,
            Kind::Tag => tag,
        }
    }
}

/// A core instance.
pub(super) enum CoreInstance<'a> {
    /// A module, instantiated with these instances as its arguments.
    Instantiated {
        module: u32,
        arguments: Vec<(&'a str, u32)>,
    },
    /// A bag of things from the component's core index spaces.
    Bag(Vec<(&'a str, Kind, u32)>),
}

/// Where a thing in a core index space of the component comes from.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// A function made by the canonical ABI: the index of its [`Canonical`].
    Canonical(u32),
    /// An export of a core instance.
    Export { instance: u32, name: &'a str },
}

/// A function made by the canonical ABI.
pub(super) struct Canonical {
    pub(super) function: CanonicalFunction,
    pub(super) needs: Needs,
}

impl Canonical {
    pub(super) fn is_lift(&self) -> bool {
        matches!(self.function, CanonicalFunction::Lift { .. })
    }
}

/// A part of the component, in order.
pub(super) enum Item<'a> {
    /// A section that says nothing about core indices.
    Raw { id: u8, data: &'a [u8] },
    /// Types, at least one of them a resource with a destructor.
    Types {
        section: ComponentTypeSectionReader<'a>,
        needs: Needs,
    },
    /// An alias in the component's own index spaces.
    Alias(ComponentAlias<'a>),
    /// A canonical function, by its index among them.
    Canonical(u32),
    /// A core instance, by its index.
    Instance(u32),
}

/// A component.
#[derive(Default)]
pub(super) struct Graph<'a> {
    pub(super) modules: Vec<Module<'a>>,
    pub(super) instances: Vec<CoreInstance<'a>>,
    pub(super) canonicals: Vec<Canonical>,
    pub(super) items: Vec<Item<'a>>,
    pub(super) destructors: Vec<u32>,
    spaces: ByKind<Vec<Source<'a>>>,
}

impl<'a> Graph<'a> {
    /// Reads the outermost component in `bytes`.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, MergeError> {
        let mut graph = Self::default();
        let mut parser = Parser::new(0);
        let mut rest = bytes;
        loop {
            let Chunk::Parsed { payload, consumed } = parser.parse(rest, true)? else {
                return Err(truncated());
            };
            if matches!(payload, Payload::End(_)) {
                return Ok(graph);
            }
            // The parser continues behind a nested module or component when its bytes are left out.
            let nested = match &payload {
                Payload::ModuleSection {
                    unchecked_range, ..
                }
                | Payload::ComponentSection {
                    unchecked_range, ..
                } => unchecked_range.len(),
                _ => 0,
            };
            graph.read_payload(payload, bytes)?;
            rest = rest.get(consumed + nested..).ok_or_else(truncated)?;
        }
    }

    /// Where thing number `index` of a core index space of the component comes from.
    pub(super) fn source(&self, kind: Kind, index: u32) -> Result<Source<'a>, MergeError> {
        item(self.spaces.get(kind), index).copied()
    }

    pub(super) fn instance(&self, index: u32) -> Result<&CoreInstance<'a>, MergeError> {
        item(&self.instances, index)
    }

    pub(super) fn module(&self, index: u32) -> Result<&Module<'a>, MergeError> {
        item(&self.modules, index)
    }

    pub(super) fn canonical(&self, index: u32) -> Result<&Canonical, MergeError> {
        item(&self.canonicals, index)
    }

    fn read_payload(&mut self, payload: Payload<'a>, bytes: &'a [u8]) -> Result<(), MergeError> {
        match payload {
            Payload::Version { encoding, .. } if encoding != Encoding::Component => {
                Err(MergeError::invalid("this is a core module"))
            }
            Payload::Version { .. } => Ok(()),
            Payload::ModuleSection {
                unchecked_range, ..
            } => {
                self.modules
                    .push(Module::read(slice(bytes, unchecked_range)?)?);
                Ok(())
            }
            Payload::InstanceSection(section) => section
                .into_iter()
                .try_for_each(|instance| self.read_instance(instance?)),
            Payload::ComponentAliasSection(section) => section
                .into_iter()
                .try_for_each(|alias| self.read_alias(alias?)),
            Payload::ComponentCanonicalSection(section) => section
                .into_iter()
                .try_for_each(|function| self.read_canonical(function?)),
            Payload::ComponentTypeSection(section) => self.read_types(section, bytes),
            // The names of core items would be wrong after merging.
            Payload::CustomSection(section) if section.name() == "component-name" => Ok(()),
            other => {
                refuse_modules_as_values(&other, bytes)?;
                self.read_raw(&other, bytes)
            }
        }
    }

    fn read_raw(&mut self, payload: &Payload<'a>, bytes: &'a [u8]) -> Result<(), MergeError> {
        let (id, range) = payload
            .as_section()
            .ok_or_else(|| MergeError::invalid("a section of a core module in a component"))?;
        self.items.push(Item::Raw {
            id,
            data: slice(bytes, range)?,
        });
        Ok(())
    }

    fn read_instance(&mut self, instance: Instance<'a>) -> Result<(), MergeError> {
        let instance = match instance {
            Instance::Instantiate { module_index, args } => CoreInstance::Instantiated {
                module: module_index,
                arguments: args
                    .iter()
                    .map(|argument| (argument.name, argument.index))
                    .collect(),
            },
            Instance::FromExports(exports) => CoreInstance::Bag(
                exports
                    .iter()
                    .map(|export| (export.name, export.kind.into(), export.index))
                    .collect(),
            ),
        };
        self.items.push(Item::Instance(count(&self.instances)?));
        self.instances.push(instance);
        Ok(())
    }

    fn read_alias(&mut self, alias: ComponentAlias<'a>) -> Result<(), MergeError> {
        match alias {
            ComponentAlias::CoreInstanceExport {
                kind,
                instance_index,
                name,
            } => {
                self.spaces.get_mut(kind.into()).push(Source::Export {
                    instance: instance_index,
                    name,
                });
            }
            ComponentAlias::InstanceExport {
                kind: ComponentExternalKind::Module,
                ..
            }
            | ComponentAlias::Outer {
                kind: ComponentOuterAliasKind::CoreModule,
                ..
            } => return Err(module_as_value()),
            other => self.items.push(Item::Alias(other)),
        }
        Ok(())
    }

    fn read_canonical(&mut self, function: CanonicalFunction) -> Result<(), MergeError> {
        let index = count(&self.canonicals)?;
        let canonical = Canonical {
            needs: needs_of_canonical(&function)?,
            function,
        };
        if !canonical.is_lift() {
            self.spaces
                .get_mut(Kind::Function)
                .push(Source::Canonical(index));
        }
        self.canonicals.push(canonical);
        self.items.push(Item::Canonical(index));
        Ok(())
    }

    fn read_types(
        &mut self,
        section: ComponentTypeSectionReader<'a>,
        bytes: &'a [u8],
    ) -> Result<(), MergeError> {
        let mut needs = Needs::default();
        for ty in section.clone() {
            if let ComponentType::Resource {
                dtor: Some(destructor),
                ..
            } = ty?
            {
                needs.push((Kind::Function, destructor));
                self.destructors.push(destructor);
            }
        }
        if needs.is_empty() {
            return self.read_raw(&Payload::ComponentTypeSection(section), bytes);
        }
        self.items.push(Item::Types { section, needs });
        Ok(())
    }
}

/// Refuses a component that passes core modules around: their index space changes.
fn refuse_modules_as_values(payload: &Payload<'_>, bytes: &[u8]) -> Result<(), MergeError> {
    let found = match payload {
        Payload::ComponentSection {
            unchecked_range, ..
        } => return refuse_outer_modules(slice(bytes, unchecked_range.clone())?),
        Payload::ComponentImportSection(section) => any(section.clone(), |import| {
            matches!(import.ty, ComponentTypeRef::Module(_))
        })?,
        Payload::ComponentExportSection(section) => any(section.clone(), |export| {
            export.kind == ComponentExternalKind::Module
        })?,
        Payload::ComponentInstanceSection(section) => {
            any(section.clone(), |instance| match instance {
                ComponentInstance::Instantiate { args, .. } => args
                    .iter()
                    .any(|argument| argument.kind == ComponentExternalKind::Module),
                ComponentInstance::FromExports(exports) => exports
                    .iter()
                    .any(|export| export.kind == ComponentExternalKind::Module),
            })?
        }
        _ => false,
    };
    if found {
        Err(module_as_value())
    } else {
        Ok(())
    }
}

fn refuse_outer_modules(component: &[u8]) -> Result<(), MergeError> {
    for payload in Parser::new(0).parse_all(component) {
        let Payload::ComponentAliasSection(section) = payload? else {
            continue;
        };
        if any(section, |alias| {
            matches!(
                alias,
                ComponentAlias::Outer {
                    kind: ComponentOuterAliasKind::CoreModule,
                    ..
                }
            )
        })? {
            return Err(module_as_value());
        }
    }
    Ok(())
}

fn any<'a, T: wasmparser::FromReader<'a>>(
    section: wasmparser::SectionLimited<'a, T>,
    test: impl Fn(&T) -> bool,
) -> Result<bool, MergeError> {
    for item in section {
        if test(&item?) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn module_as_value() -> MergeError {
    MergeError::unmergeable("it imports, exports or aliases a core module")
}

fn truncated() -> MergeError {
    MergeError::invalid("unexpected end")
}

/// The index that the next thing in `items` gets.
pub(super) fn count<T>(items: &[T]) -> Result<u32, MergeError> {
    u32::try_from(items.len()).map_err(MergeError::invalid)
}

pub(super) fn item<T>(items: &[T], index: u32) -> Result<&T, MergeError> {
    usize::try_from(index)
        .ok()
        .and_then(|index| items.get(index))
        .ok_or_else(|| MergeError::invalid("an index is out of bounds"))
}

fn slice(bytes: &[u8], range: std::ops::Range<usize>) -> Result<&[u8], MergeError> {
    bytes.get(range).ok_or_else(truncated)
}
