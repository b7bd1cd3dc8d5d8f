//! What a component imports and exports, with all names: the plan from which the seam makes classes and converters.
//!
//! Wasmtime's own types have no names for records and variants; the component's embedded WIT has them. Types stand in one
//! table and refer to each other by their place in it, aliases resolved, so that a type is made once however often it is used.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use wit_component::DecodedWasm;
use wit_parser::{
    Function as WitFunction, FunctionKind, Handle, InterfaceId, Resolve, Type as WitType,
    TypeDefKind, TypeId, TypeOwner, WorldItem,
};

use crate::error::HostError;

/// The place of a type in [`World::types`].
pub type TypeIndex = usize;

/// A type where it is used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(untagged)]
pub enum TypeUse {
    /// One that WIT itself has.
    Primitive(Primitive),
    /// One of the table.
    Defined(TypeIndex),
}

/// The types that need no definition.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "they are WIT's own words")]
pub enum Primitive {
    Bool,
    U8,
    U16,
    U32,
    U64,
    S8,
    S16,
    S32,
    S64,
    F32,
    F64,
    Char,
    String,
    ErrorContext,
}

/// A name with what it stands for: a field, a case, a parameter.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Named<T> {
    /// The name in WIT.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub ty: T,
}

/// How a type is made of others.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
#[expect(missing_docs, reason = "they are WIT's own words")]
pub enum TypeKind {
    Record {
        fields: Vec<Named<TypeUse>>,
    },
    Variant {
        cases: Vec<Named<Option<TypeUse>>>,
    },
    Enum {
        cases: Vec<String>,
    },
    Flags {
        flags: Vec<String>,
    },
    Tuple {
        items: Vec<TypeUse>,
    },
    List {
        item: TypeUse,
    },
    FixedLengthList {
        item: TypeUse,
        length: u32,
    },
    Map {
        key: TypeUse,
        value: TypeUse,
    },
    Option {
        item: TypeUse,
    },
    Result {
        ok: Option<TypeUse>,
        err: Option<TypeUse>,
    },
    Resource,
    Own {
        resource: TypeIndex,
    },
    Borrow {
        resource: TypeIndex,
    },
    Stream {
        item: Option<TypeUse>,
    },
    Future {
        item: Option<TypeUse>,
    },
}

/// One type of the table.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct TypeDefinition {
    /// Its name in WIT, where it has one.
    pub name: Option<String>,
    /// The interface that defines it; empty where the world does.
    pub owner: String,
    /// What it is.
    #[serde(flatten)]
    pub kind: TypeKind,
}

/// What a function belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "role", content = "resource")]
pub enum Role {
    /// Its interface.
    Function,
    /// A handle of the resource, its first parameter.
    Method(TypeIndex),
    /// The resource.
    Static(TypeIndex),
    /// The resource, of which it makes one.
    Constructor(TypeIndex),
}

/// A function.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Function {
    /// Its name in the component: `process`, `[method]connection.send`.
    pub name: String,
    /// What it belongs to.
    #[serde(flatten)]
    pub role: Role,
    /// Whether WIT says that it may wait.
    #[serde(rename = "async")]
    pub is_async: bool,
    /// Its parameters, in order.
    pub parameters: Vec<Named<TypeUse>>,
    /// What it returns.
    pub result: Option<TypeUse>,
    /// What WIT says about it.
    pub docs: Option<String>,
}

impl Function {
    /// The name without its role: `send` of `[method]connection.send`.
    pub fn plain_name(&self) -> &str {
        let name = self.name.rsplit(']').next().unwrap_or(&self.name);
        match self.role {
            Role::Method(_) | Role::Static(_) => name.rsplit('.').next().unwrap_or(name),
            Role::Function | Role::Constructor(_) => name,
        }
    }
}

/// An interface that is imported or exported; the functions of the world itself are one without a name.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Interface {
    /// Its name, `cyber:packets/data-processor@0.2.0`; empty for the world itself.
    pub name: String,
    /// The types that it defines or uses, by their name in it.
    pub types: BTreeMap<String, TypeIndex>,
    /// Its functions, in the order of WIT.
    pub functions: Vec<Function>,
    /// What WIT says about it.
    pub docs: Option<String>,
}

/// A component's imports and exports.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct World {
    /// Every type of the interfaces below.
    pub types: Vec<TypeDefinition>,
    /// What it needs.
    pub imports: Vec<Interface>,
    /// What it offers.
    pub exports: Vec<Interface>,
}

impl World {
    /// Reads the WIT that a component carries.
    pub fn read(wasm: &[u8]) -> Result<Self, HostError> {
        let decoded = wit_component::decode(wasm)
            .map_err(|error| HostError::Compile(format!("its interfaces: {error:#}")))?;
        let DecodedWasm::Component(resolve, world) = decoded else {
            return Err(HostError::Compile(
                "this is a WIT package, which has interfaces and no code".into(),
            ));
        };
        let mut reader = Reader::new(&resolve);
        let found = resolve.worlds.get(world);
        let (imports, exports) = found.map_or_else(Default::default, |world| {
            (
                reader.interfaces(&world.imports),
                reader.interfaces(&world.exports),
            )
        });
        Ok(Self {
            types: reader.types,
            imports,
            exports,
        })
    }

    /// Whether a function that is exported, or imported from one of these places, is asynchronous, or passes streams or futures.
    pub(super) fn concurrent(&self, given: &[TypeIndex]) -> bool {
        let imports = given.iter().filter_map(|place| self.imports.get(*place));
        let interfaces = self.exports.iter().chain(imports);
        let mut functions = interfaces.flat_map(|interface| &interface.functions);
        functions.any(|function| {
            let parameters = function.parameters.iter().map(|parameter| parameter.ty);
            function.is_async || parameters.chain(function.result).any(|ty| self.streams(ty))
        })
    }

    /// Whether a value of this type may have a stream or a future in it.
    fn streams(&self, ty: TypeUse) -> bool {
        let TypeUse::Defined(place) = ty else {
            return false;
        };
        let any = |ty: &Option<TypeUse>| ty.is_some_and(|ty| self.streams(ty));
        match self.types.get(place).map(|found| &found.kind) {
            Some(TypeKind::Stream { .. } | TypeKind::Future { .. }) => true,
            Some(TypeKind::Record { fields }) => fields.iter().any(|field| self.streams(field.ty)),
            Some(TypeKind::Variant { cases }) => cases.iter().any(|case| any(&case.ty)),
            Some(TypeKind::Tuple { items }) => items.iter().any(|item| self.streams(*item)),
            Some(TypeKind::List { item } | TypeKind::Option { item }) => self.streams(*item),
            Some(TypeKind::Result { ok, err }) => any(ok) || any(err),
            _ => false,
        }
    }
}

struct Reader<'a> {
    resolve: &'a Resolve,
    types: Vec<TypeDefinition>,
    places: HashMap<TypeId, TypeIndex>,
}

impl<'a> Reader<'a> {
    fn new(resolve: &'a Resolve) -> Self {
        Self {
            resolve,
            types: Vec::new(),
            places: HashMap::new(),
        }
    }

    fn interfaces<'b>(
        &mut self,
        items: impl IntoIterator<Item = (&'b wit_parser::WorldKey, &'b WorldItem)>,
    ) -> Vec<Interface> {
        let mut root = Interface::default();
        let mut found = Vec::new();
        for (key, item) in items {
            let name = self.resolve.name_world_key(key);
            match item {
                WorldItem::Interface { id, .. } => found.push(self.interface(name, *id)),
                WorldItem::Function(function) => {
                    let function = self.function(function);
                    root.functions.push(function);
                }
                WorldItem::Type { id, .. } => {
                    let place = self.definition(*id);
                    root.types.insert(name, place);
                }
            }
        }
        if !root.functions.is_empty() || !root.types.is_empty() {
            found.push(root);
        }
        found
    }

    fn interface(&mut self, name: String, id: InterfaceId) -> Interface {
        let Some(interface) = self.resolve.interfaces.get(id) else {
            return Interface::default();
        };
        Interface {
            name,
            types: interface
                .types
                .iter()
                .map(|(name, id)| (name.clone(), self.definition(*id)))
                .collect(),
            functions: interface
                .functions
                .values()
                .map(|function| self.function(function))
                .collect(),
            docs: interface.docs.contents.clone(),
        }
    }

    fn function(&mut self, function: &WitFunction) -> Function {
        let role = match function.kind {
            FunctionKind::Freestanding | FunctionKind::AsyncFreestanding => Role::Function,
            FunctionKind::Method(id) | FunctionKind::AsyncMethod(id) => {
                Role::Method(self.definition(id))
            }
            FunctionKind::Static(id) | FunctionKind::AsyncStatic(id) => {
                Role::Static(self.definition(id))
            }
            FunctionKind::Constructor(id) => Role::Constructor(self.definition(id)),
        };
        Function {
            name: function.name.clone(),
            role,
            is_async: function.kind.is_async(),
            parameters: function
                .params
                .iter()
                .map(|parameter| Named {
                    name: parameter.name.clone(),
                    ty: self.usage(&parameter.ty),
                })
                .collect(),
            result: function.result.as_ref().map(|ty| self.usage(ty)),
            docs: function.docs.contents.clone(),
        }
    }

    fn usage(&mut self, ty: &WitType) -> TypeUse {
        TypeUse::Primitive(match ty {
            WitType::Bool => Primitive::Bool,
            WitType::U8 => Primitive::U8,
            WitType::U16 => Primitive::U16,
            WitType::U32 => Primitive::U32,
            WitType::U64 => Primitive::U64,
            WitType::S8 => Primitive::S8,
            WitType::S16 => Primitive::S16,
            WitType::S32 => Primitive::S32,
            WitType::S64 => Primitive::S64,
            WitType::F32 => Primitive::F32,
            WitType::F64 => Primitive::F64,
            WitType::Char => Primitive::Char,
            WitType::String => Primitive::String,
            WitType::ErrorContext => Primitive::ErrorContext,
            WitType::Id(id) => match self.resolve.types.get(*id).map(|found| &found.kind) {
                // `type id = u32`
                Some(TypeDefKind::Type(other)) => return self.usage(other),
                _ => return TypeUse::Defined(self.definition(*id)),
            },
        })
    }

    /// The place of a type; an alias has that of what it stands for, and one for a primitive is a tuple of nothing else.
    fn definition(&mut self, id: TypeId) -> TypeIndex {
        if let Some(place) = self.places.get(&id) {
            return *place;
        }
        let place = match self.resolve.types.get(id).map(|found| &found.kind) {
            Some(TypeDefKind::Type(WitType::Id(other))) => self.definition(*other),
            _ => self.define(id),
        };
        self.places.insert(id, place);
        place
    }

    fn define(&mut self, id: TypeId) -> TypeIndex {
        let found = self.resolve.types.get(id);
        let kind = found.map_or(TypeKind::Resource, |found| self.kind(&found.kind));
        let owner = match found.map(|found| found.owner) {
            Some(TypeOwner::Interface(id)) => self.resolve.id_of(id).unwrap_or_default(),
            _ => String::new(),
        };
        self.types.push(TypeDefinition {
            name: found.and_then(|found| found.name.clone()),
            owner,
            kind,
        });
        self.types.len() - 1
    }

    fn kind(&mut self, kind: &TypeDefKind) -> TypeKind {
        let optional =
            |reader: &mut Self, ty: &Option<WitType>| ty.as_ref().map(|ty| reader.usage(ty));
        match kind {
            TypeDefKind::Record(record) => self.record(record),
            TypeDefKind::Variant(variant) => self.variant(variant),
            TypeDefKind::Resource | TypeDefKind::Unknown => TypeKind::Resource,
            TypeDefKind::Handle(Handle::Own(id)) => TypeKind::Own {
                resource: self.definition(*id),
            },
            TypeDefKind::Handle(Handle::Borrow(id)) => TypeKind::Borrow {
                resource: self.definition(*id),
            },
            TypeDefKind::Flags(flags) => TypeKind::Flags {
                flags: flags.flags.iter().map(|flag| flag.name.clone()).collect(),
            },
            TypeDefKind::Enum(cases) => TypeKind::Enum {
                cases: cases.cases.iter().map(|case| case.name.clone()).collect(),
            },
            TypeDefKind::Tuple(tuple) => TypeKind::Tuple {
                items: tuple.types.iter().map(|ty| self.usage(ty)).collect(),
            },
            TypeDefKind::Option(item) => TypeKind::Option {
                item: self.usage(item),
            },
            TypeDefKind::Result(result) => TypeKind::Result {
                ok: optional(self, &result.ok),
                err: optional(self, &result.err),
            },
            TypeDefKind::List(item) => TypeKind::List {
                item: self.usage(item),
            },
            TypeDefKind::Map(key, value) => TypeKind::Map {
                key: self.usage(key),
                value: self.usage(value),
            },
            TypeDefKind::FixedLengthList(item, length) => TypeKind::FixedLengthList {
                item: self.usage(item),
                length: *length,
            },
            TypeDefKind::Future(item) => TypeKind::Future {
                item: optional(self, item),
            },
            TypeDefKind::Stream(item) => TypeKind::Stream {
                item: optional(self, item),
            },
            // Reached for an alias of a primitive that an interface names: a type nobody converts.
            TypeDefKind::Type(item) => TypeKind::Tuple {
                items: vec![self.usage(item)],
            },
        }
    }

    fn record(&mut self, record: &wit_parser::Record) -> TypeKind {
        let field = |field: &wit_parser::Field| Named {
            name: field.name.clone(),
            ty: self.usage(&field.ty),
        };
        TypeKind::Record {
            fields: record.fields.iter().map(field).collect(),
        }
    }

    fn variant(&mut self, variant: &wit_parser::Variant) -> TypeKind {
        let case = |case: &wit_parser::Case| Named {
            name: case.name.clone(),
            ty: case.ty.as_ref().map(|ty| self.usage(ty)),
        };
        TypeKind::Variant {
            cases: variant.cases.iter().map(case).collect(),
        }
    }
}
