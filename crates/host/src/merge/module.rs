//! Reads a core module into its sections.

use std::collections::HashMap;

use wasmparser::{
    DataSectionReader, ElementSectionReader, FunctionBody, FunctionSectionReader,
    GlobalSectionReader, Import, KnownCustom, MemorySectionReader, Name, NameSectionReader, Parser,
    Payload, TableSectionReader, TagSectionReader, TypeRef, TypeSectionReader,
};

use super::MergeError;
use super::graph::{ByKind, Kind};

impl From<TypeRef> for Kind {
    fn from(ty: TypeRef) -> Self {
        match ty {
            TypeRef::Func(_) | TypeRef::FuncExact(_) => Self::Function,
            TypeRef::Table(_) => Self::Table,
            TypeRef::Memory(_) => Self::Memory,
            TypeRef::Global(_) => Self::Global,
            TypeRef::Tag(_) => Self::Tag,
        }
    }
}

/// A core module.
#[derive(Default)]
pub(super) struct Module<'a> {
    /// The whole module, for those that stay as they are.
    pub(super) bytes: &'a [u8],
    pub(super) types: Option<TypeSectionReader<'a>>,
    pub(super) imports: ByKind<Vec<Import<'a>>>,
    pub(super) functions: Option<FunctionSectionReader<'a>>,
    pub(super) tables: Option<TableSectionReader<'a>>,
    pub(super) memories: Option<MemorySectionReader<'a>>,
    pub(super) tags: Option<TagSectionReader<'a>>,
    pub(super) globals: Option<GlobalSectionReader<'a>>,
    pub(super) exports: HashMap<&'a str, (Kind, u32)>,
    pub(super) start: Option<u32>,
    pub(super) elements: Option<ElementSectionReader<'a>>,
    pub(super) bodies: Vec<FunctionBody<'a>>,
    pub(super) data: Option<DataSectionReader<'a>>,
    /// Names of functions, in the order of their indices.
    pub(super) names: Vec<(u32, &'a str)>,
}

impl<'a> Module<'a> {
    /// Reads a core module.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, MergeError> {
        let mut module = Self {
            bytes,
            ..Self::default()
        };
        for payload in Parser::new(0).parse_all(bytes) {
            module.read_payload(payload?)?;
        }
        module.names.sort_by_key(|(index, _)| *index);
        module.names.dedup_by_key(|(index, _)| *index);
        Ok(module)
    }

    /// How many things of a kind it defines itself.
    pub(super) fn defined(&self, kind: Kind) -> u32 {
        match kind {
            Kind::Function => self
                .functions
                .as_ref()
                .map_or(0, wasmparser::SectionLimited::count),
            Kind::Table => self
                .tables
                .as_ref()
                .map_or(0, wasmparser::SectionLimited::count),
            Kind::Memory => self
                .memories
                .as_ref()
                .map_or(0, wasmparser::SectionLimited::count),
            Kind::Global => self
                .globals
                .as_ref()
                .map_or(0, wasmparser::SectionLimited::count),
            Kind::Tag => self
                .tags
                .as_ref()
                .map_or(0, wasmparser::SectionLimited::count),
        }
    }

    /// How many things of a kind it imports.
    pub(super) fn imported(&self, kind: Kind) -> Result<u32, MergeError> {
        super::graph::count(self.imports.get(kind))
    }

    /// A name under which it exports thing number `index` of a kind.
    pub(super) fn export_name(&self, kind: Kind, index: u32) -> Option<&'a str> {
        self.exports
            .iter()
            .find(|(_, export)| **export == (kind, index))
            .map(|(name, _)| *name)
    }

    /// Does instantiating it write to a memory or table?
    pub(super) fn writes_at_instantiation(&self) -> Result<bool, MergeError> {
        for data in self.data.iter().flat_map(Clone::clone) {
            if matches!(data?.kind, wasmparser::DataKind::Active { .. }) {
                return Ok(true);
            }
        }
        for element in self.elements.iter().flat_map(Clone::clone) {
            if matches!(element?.kind, wasmparser::ElementKind::Active { .. }) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn read_payload(&mut self, payload: Payload<'a>) -> Result<(), MergeError> {
        match payload {
            Payload::TypeSection(section) => self.types = Some(section),
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    self.imports.get_mut(import.ty.into()).push(import);
                }
            }
            Payload::FunctionSection(section) => self.functions = Some(section),
            Payload::TableSection(section) => self.tables = Some(section),
            Payload::MemorySection(section) => self.memories = Some(section),
            Payload::TagSection(section) => self.tags = Some(section),
            Payload::GlobalSection(section) => self.globals = Some(section),
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    self.exports
                        .insert(export.name, (export.kind.into(), export.index));
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(section) => self.elements = Some(section),
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            Payload::DataSection(section) => self.data = Some(section),
            Payload::CustomSection(section) => {
                if let KnownCustom::Name(names) = section.as_known() {
                    self.read_names(names);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Names are a help for people: a malformed section of them is left out.
    fn read_names(&mut self, section: NameSectionReader<'a>) {
        for names in section.into_iter().flatten() {
            if let Name::Function(functions) = names {
                self.names.extend(
                    functions
                        .into_iter()
                        .flatten()
                        .map(|naming| (naming.index, naming.name)),
                );
            }
        }
    }
}
