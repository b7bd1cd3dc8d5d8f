//! How values of one type cross between Python and a guest: made once for each type of a component.
//!
//! Python decides what its classes look like (`wisp.host.embed.classes`) and hands them over by their place in the component's table of
//! types; a plan keeps them, with the names of their attributes as Python strings, so that a call looks nothing up.

use std::collections::HashMap;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use wisp_host::embed::{Function, Primitive, TypeIndex, TypeKind, TypeUse, World};

use super::ground::Ground;
use super::plain::Plain;
use super::stream::Passing;
use crate::error::LinkError;

/// An integer type of WIT.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Integer {
    U8,
    U16,
    U32,
    U64,
    S8,
    S16,
    S32,
    S64,
}

/// A class for a type with parts, and what it calls them.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) class: Py<PyAny>,
    /// Where its objects need not be made by calling it.
    pub(crate) plain: Option<Plain>,
    pub(crate) wit: String,
    pub(crate) fields: Vec<Field>,
}

/// One field, parameter or case.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) attribute: Py<PyString>,
    pub(crate) wit: String,
    pub(crate) plan: Arc<Plan>,
}

/// A variant: one class for each case, with a value where the case has one.
#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) wit: String,
    pub(crate) cases: Vec<Case>,
}

#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) class: Py<PyAny>,
    pub(crate) wit: String,
    pub(crate) plan: Option<Arc<Plan>>,
}

/// An enumeration: its members in the order of WIT.
#[derive(Debug)]
pub(crate) struct Members {
    pub(crate) class: Py<PyAny>,
    pub(crate) wit: String,
    pub(crate) all: Vec<Py<PyAny>>,
}

/// How a value crosses.
#[derive(Debug)]
pub(crate) enum Plan {
    Bool,
    Integer(Integer),
    /// An integer of a core module, 32 bits without a sign.
    Word,
    /// The same of 64 bits.
    LongWord,
    F32,
    F64,
    Char,
    String,
    Bytes,
    List(Arc<Plan>),
    Tuple(Vec<Arc<Plan>>),
    Record(Record),
    Variant(Variant),
    Enum(Members),
    Flags(Members),
    Option {
        item: Arc<Plan>,
        /// Some of an option, when an option of an option must say which of the two is empty.
        some: Option<Py<PyAny>>,
    },
    Result {
        ok: (Py<PyAny>, Option<Arc<Plan>>),
        err: (Py<PyAny>, Option<Arc<Plan>>),
    },
    Handle {
        resource: TypeIndex,
        class: Py<PyAny>,
        wit: String,
        /// Whether whoever passes it gives it away.
        owned: bool,
    },
    /// A handle of an object of Python's.
    Object {
        resource: TypeIndex,
        class: Py<PyAny>,
        wit: String,
        owned: bool,
    },
    /// A stream or a future.
    Passing(Arc<Passing>),
    /// A type that cannot cross, by its name.
    Refused(String),
}

/// What a function gives back.
#[derive(Debug)]
pub(crate) enum Returns {
    Nothing,
    Value(Arc<Plan>),
    /// A result: its error is raised.
    Fallible {
        ok: Option<Arc<Plan>>,
        err: Option<Arc<Plan>>,
        exception: Py<PyAny>,
    },
}

/// A function's parameters and result.
#[derive(Debug)]
pub(crate) struct Signature {
    pub(crate) name: String,
    pub(crate) parameters: Vec<Field>,
    pub(crate) returns: Returns,
    /// The first of its types that cannot cross, if there is one.
    pub(crate) refused: Option<String>,
}

/// The classes that Python made for a component.
pub(crate) struct Classes<'py> {
    pub(crate) by_type: Vec<Bound<'py, PyAny>>,
    pub(crate) some: Bound<'py, PyAny>,
    pub(crate) ok: Bound<'py, PyAny>,
    pub(crate) err: Bound<'py, PyAny>,
    /// Those that implement imported resources, by the place of the resource.
    pub(crate) hosted: HashMap<TypeIndex, Bound<'py, PyAny>>,
    /// `wisp.host.embed.streams`
    pub(crate) streams: Bound<'py, PyAny>,
    pub(crate) ground: Arc<Ground>,
}

/// Makes the plans of a component; each type's once.
pub(crate) struct Planner<'a, 'py> {
    world: &'a World,
    classes: &'a Classes<'py>,
    made: Vec<Option<Arc<Plan>>>,
}

impl<'a, 'py> Planner<'a, 'py> {
    pub(crate) fn new(world: &'a World, classes: &'a Classes<'py>) -> Self {
        Self {
            world,
            classes,
            made: vec![None; world.types.len()],
        }
    }

    /// The plan of a function; `names` are what Python calls its parameters, `exception` what its error is raised as.
    pub(crate) fn signature(
        &mut self,
        function: &Function,
        names: &Bound<'py, PyTuple>,
        exception: &Bound<'py, PyAny>,
    ) -> PyResult<Signature> {
        let mut parameters = Vec::with_capacity(function.parameters.len());
        for (parameter, name) in function.parameters.iter().zip(names) {
            parameters.push(Field {
                attribute: interned(&name)?,
                wit: parameter.name.clone(),
                plan: self.usage(parameter.ty)?,
            });
        }
        let returns = self.returns(function.result, exception)?;
        let types = function.parameters.iter().map(|parameter| parameter.ty);
        let refused = types.chain(function.result).find_map(|ty| self.refused(ty));
        Ok(Signature {
            name: function.plain_name().to_owned(),
            parameters,
            returns,
            refused,
        })
    }

    fn returns(
        &mut self,
        result: Option<TypeUse>,
        exception: &Bound<'py, PyAny>,
    ) -> PyResult<Returns> {
        let Some(ty) = result else {
            return Ok(Returns::Nothing);
        };
        if let TypeUse::Defined(place) = ty
            && let Some(TypeKind::Result { ok, err }) =
                self.world.types.get(place).map(|found| &found.kind)
        {
            return Ok(Returns::Fallible {
                ok: self.optional(*ok)?,
                err: self.optional(*err)?,
                exception: exception.clone().unbind(),
            });
        }
        Ok(Returns::Value(self.usage(ty)?))
    }

    fn optional(&mut self, ty: Option<TypeUse>) -> PyResult<Option<Arc<Plan>>> {
        ty.map(|ty| self.usage(ty)).transpose()
    }

    fn usage(&mut self, ty: TypeUse) -> PyResult<Arc<Plan>> {
        match ty {
            TypeUse::Primitive(primitive) => Ok(Arc::new(of_primitive(primitive))),
            TypeUse::Defined(place) => self.defined(place),
        }
    }

    fn defined(&mut self, place: TypeIndex) -> PyResult<Arc<Plan>> {
        if let Some(Some(plan)) = self.made.get(place) {
            return Ok(plan.clone());
        }
        let Some(definition) = self.world.types.get(place) else {
            return Err(LinkError::new_err("a type is missing from the component"));
        };
        let wit = definition.name.clone().unwrap_or_default();
        let plan = Arc::new(match &definition.kind {
            TypeKind::Record { fields } => self.record(place, wit, fields)?,
            TypeKind::Variant { cases } => self.variant(place, wit, cases)?,
            TypeKind::Enum { .. } => Plan::Enum(self.members(place, wit)?),
            TypeKind::Flags { .. } => Plan::Flags(self.members(place, wit)?),
            TypeKind::Own { resource } => self.handle(*resource, true)?,
            TypeKind::Borrow { resource } => self.handle(*resource, false)?,
            kind => self.anonymous(kind)?,
        });
        if let Some(slot) = self.made.get_mut(place) {
            *slot = Some(plan.clone());
        }
        Ok(plan)
    }

    fn anonymous(&mut self, kind: &TypeKind) -> PyResult<Plan> {
        Ok(match kind {
            TypeKind::List {
                item: TypeUse::Primitive(Primitive::U8),
            } => Plan::Bytes,
            TypeKind::List { item } => Plan::List(self.usage(*item)?),
            TypeKind::Tuple { items } => Plan::Tuple(
                items
                    .iter()
                    .map(|item| self.usage(*item))
                    .collect::<PyResult<_>>()?,
            ),
            TypeKind::Option { item } => {
                let item = self.usage(*item)?;
                let nested = matches!(*item, Plan::Option { .. });
                let some = nested.then(|| self.classes.some.clone().unbind());
                Plan::Option { item, some }
            }
            TypeKind::Result { ok, err } => Plan::Result {
                ok: (self.classes.ok.clone().unbind(), self.optional(*ok)?),
                err: (self.classes.err.clone().unbind(), self.optional(*err)?),
            },
            TypeKind::Stream { item } => self.passing("stream", *item),
            TypeKind::Future { item } => self.passing("future", *item),
            TypeKind::Map { .. } => Plan::Refused("map".into()),
            TypeKind::FixedLengthList { .. } => Plan::Refused("list of fixed length".into()),
            _ => Plan::Refused("type".into()),
        })
    }

    /// Streams and futures carry what Wasmtime knows when it is compiled.
    fn passing(&self, word: &str, item: Option<TypeUse>) -> Plan {
        let wit = format!("{word}<{}>", self.describe(item));
        let Some(TypeUse::Primitive(primitive)) = item else {
            return Plan::Refused(wit);
        };
        if primitive == Primitive::ErrorContext {
            return Plan::Refused(wit);
        }
        let future = word == "future";
        let chunk = match of_primitive(primitive) {
            plan if future => plan,
            Plan::Integer(Integer::U8) => Plan::Bytes,
            plan => Plan::List(Arc::new(plan)),
        };
        Plan::Passing(Arc::new(Passing {
            chunk: Arc::new(chunk),
            wit,
            future,
            module: self.classes.streams.clone().unbind(),
            ground: self.classes.ground.clone(),
        }))
    }

    /// What a stream carries, for messages.
    fn describe(&self, item: Option<TypeUse>) -> String {
        match item {
            None => "_".into(),
            Some(TypeUse::Primitive(primitive)) => {
                let word = serde_json::to_value(primitive).ok();
                let word = word.and_then(|word| word.as_str().map(str::to_owned));
                word.unwrap_or_default()
            }
            Some(TypeUse::Defined(place)) => {
                let definition = self.world.types.get(place);
                let name = definition.and_then(|found| found.name.clone());
                name.unwrap_or_else(|| "...".into())
            }
        }
    }

    /// The name of the first part of a type that cannot cross.
    fn refused(&self, ty: TypeUse) -> Option<String> {
        let TypeUse::Defined(place) = ty else {
            return (ty == TypeUse::Primitive(Primitive::ErrorContext))
                .then(|| "error-context".into());
        };
        if let Some(Some(plan)) = self.made.get(place)
            && let Plan::Refused(what) = &**plan
        {
            return Some(what.clone());
        }
        let mut parts: Vec<TypeUse> = Vec::new();
        match self.world.types.get(place).map(|found| &found.kind) {
            Some(TypeKind::Record { fields }) => parts.extend(fields.iter().map(|field| field.ty)),
            Some(TypeKind::Variant { cases }) => {
                parts.extend(cases.iter().filter_map(|case| case.ty));
            }
            Some(TypeKind::Tuple { items }) => parts.extend(items),
            Some(TypeKind::List { item } | TypeKind::Option { item }) => parts.push(*item),
            Some(TypeKind::Result { ok, err }) => parts.extend(ok.iter().chain(err)),
            _ => {}
        }
        parts.into_iter().find_map(|part| self.refused(part))
    }

    fn class(&self, place: TypeIndex) -> PyResult<&Bound<'py, PyAny>> {
        let found = self.classes.by_type.get(place);
        found.ok_or_else(|| LinkError::new_err("a type of the component has no class"))
    }

    /// A class with its parts, as `classes.py` gives them: `(class, parts)`.
    fn parts(&self, place: TypeIndex) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        self.class(place)?.extract()
    }

    fn record(
        &mut self,
        place: TypeIndex,
        wit: String,
        fields: &[wisp_host::embed::Named<TypeUse>],
    ) -> PyResult<Plan> {
        let (class, attributes) = self.parts(place)?;
        let mut planned = Vec::with_capacity(fields.len());
        for (field, attribute) in fields.iter().zip(attributes) {
            planned.push(Field {
                attribute: interned(&attribute)?,
                wit: field.name.clone(),
                plan: self.usage(field.ty)?,
            });
        }
        Ok(Plan::Record(Record {
            plain: Plain::of(&class)?,
            class: class.unbind(),
            wit,
            fields: planned,
        }))
    }

    fn variant(
        &mut self,
        place: TypeIndex,
        wit: String,
        cases: &[wisp_host::embed::Named<Option<TypeUse>>],
    ) -> PyResult<Plan> {
        let (_, classes) = self.parts(place)?;
        let mut planned = Vec::with_capacity(cases.len());
        for (case, class) in cases.iter().zip(classes) {
            planned.push(Case {
                class: class.unbind(),
                wit: case.name.clone(),
                plan: self.optional(case.ty)?,
            });
        }
        Ok(Plan::Variant(Variant {
            wit,
            cases: planned,
        }))
    }

    fn members(&self, place: TypeIndex, wit: String) -> PyResult<Members> {
        let (class, members) = self.parts(place)?;
        Ok(Members {
            class: class.unbind(),
            wit,
            all: members.iter().map(Bound::unbind).collect(),
        })
    }

    fn handle(&self, resource: TypeIndex, owned: bool) -> PyResult<Plan> {
        let definition = self.world.types.get(resource);
        let wit = definition
            .and_then(|found| found.name.clone())
            .unwrap_or_default();
        if let Some(class) = self.classes.hosted.get(&resource) {
            return Ok(Plan::Object {
                resource,
                class: class.clone().unbind(),
                wit,
                owned,
            });
        }
        Ok(Plan::Handle {
            resource,
            class: self.class(resource)?.clone().unbind(),
            wit,
            owned,
        })
    }
}

fn of_primitive(primitive: Primitive) -> Plan {
    match primitive {
        Primitive::Bool => Plan::Bool,
        Primitive::U8 => Plan::Integer(Integer::U8),
        Primitive::U16 => Plan::Integer(Integer::U16),
        Primitive::U32 => Plan::Integer(Integer::U32),
        Primitive::U64 => Plan::Integer(Integer::U64),
        Primitive::S8 => Plan::Integer(Integer::S8),
        Primitive::S16 => Plan::Integer(Integer::S16),
        Primitive::S32 => Plan::Integer(Integer::S32),
        Primitive::S64 => Plan::Integer(Integer::S64),
        Primitive::F32 => Plan::F32,
        Primitive::F64 => Plan::F64,
        Primitive::Char => Plan::Char,
        Primitive::String => Plan::String,
        Primitive::ErrorContext => Plan::Refused("error-context".into()),
    }
}

fn interned(name: &Bound<'_, PyAny>) -> PyResult<Py<PyString>> {
    let text: String = name.extract()?;
    Ok(PyString::intern(name.py(), &text).unbind())
}
