//! Types of values: a tree that is made once for each function and is cheap to walk.

use std::fmt;

use wasmtime::component::{ResourceType, types};

/// The type of a [`Value`](super::Value).
///
/// Two types are equal when a value of one is a value of the other: names of fields and cases count, names of types do
/// not (a component does not need to have them).
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// `bool`
    Bool,
    /// `s8`
    S8,
    /// `u8`
    U8,
    /// `s16`
    S16,
    /// `u16`
    U16,
    /// `s32`
    S32,
    /// `u32`
    U32,
    /// `s64`
    S64,
    /// `u64`
    U64,
    /// `f32`
    F32,
    /// `f64`
    F64,
    /// `char`
    Char,
    /// `string`
    String,
    /// `list<T>`
    List(Box<Type>),
    /// The fields of a record.
    Record(Box<[(Box<str>, Type)]>),
    /// The members of a tuple.
    Tuple(Box<[Type]>),
    /// The cases of a variant, with the type of what they carry.
    Variant(Box<[(Box<str>, Option<Type>)]>),
    /// The cases of an enum.
    Enum(Box<[Box<str>]>),
    /// The flags, the first of them in the lowest bit.
    Flags(Box<[Box<str>]>),
    /// `option<T>`
    Option(Box<Type>),
    /// `result<T, E>`
    Result(Option<Box<Type>>, Option<Box<Type>>),
    /// `own<R>`
    Own(ResourceType),
    /// `borrow<R>`
    Borrow(ResourceType),
    /// `stream<T>`
    Stream(Option<Box<Type>>),
    /// `future<T>`
    Future(Option<Box<Type>>),
    /// A type that values cannot have; its name.
    Unsupported(&'static str),
}

/// Core values of parts that all are passed.
fn sum<'a>(mut parts: impl Iterator<Item = &'a Type>) -> Option<usize> {
    parts.try_fold(0, |sum, ty| Some(sum + ty.flat_count()?))
}

/// Core values of parts of which one is passed.
fn most<'a>(mut parts: impl Iterator<Item = &'a Type>) -> Option<usize> {
    parts.try_fold(0, |most: usize, ty| Some(most.max(ty.flat_count()?)))
}

fn boxed(ty: &types::Type) -> Box<Type> {
    Box::new(Type::of(ty))
}

fn named<'a>(names: impl Iterator<Item = &'a str>) -> Box<[Box<str>]> {
    names.map(Into::into).collect()
}

impl Type {
    /// The same type as Wasmtime has it.
    pub fn of(ty: &types::Type) -> Self {
        use types::Type as Theirs;
        match ty {
            Theirs::Bool => Self::Bool,
            Theirs::S8 => Self::S8,
            Theirs::U8 => Self::U8,
            Theirs::S16 => Self::S16,
            Theirs::U16 => Self::U16,
            Theirs::S32 => Self::S32,
            Theirs::U32 => Self::U32,
            Theirs::S64 => Self::S64,
            Theirs::U64 => Self::U64,
            Theirs::Float32 => Self::F32,
            Theirs::Float64 => Self::F64,
            Theirs::Char => Self::Char,
            Theirs::String => Self::String,
            Theirs::List(list) => Self::List(boxed(&list.ty())),
            Theirs::Option(option) => Self::Option(boxed(&option.ty())),
            Theirs::Result(result) => Self::Result(
                result.ok().as_ref().map(boxed),
                result.err().as_ref().map(boxed),
            ),
            Theirs::Own(resource) => Self::Own(*resource),
            Theirs::Borrow(resource) => Self::Borrow(*resource),
            Theirs::Stream(stream) => Self::Stream(stream.ty().as_ref().map(boxed)),
            Theirs::Future(future) => Self::Future(future.ty().as_ref().map(boxed)),
            Theirs::ErrorContext => Self::Unsupported("error-context"),
            Theirs::Map(_) => Self::Unsupported("map"),
            Theirs::FixedLengthList(_) => Self::Unsupported("list of fixed length"),
            other => Self::of_parts(other),
        }
    }

    /// The types that have named or several parts.
    fn of_parts(ty: &types::Type) -> Self {
        use types::Type as Theirs;
        match ty {
            Theirs::Record(record) => Self::Record(
                record
                    .fields()
                    .map(|field| (field.name.into(), Self::of(&field.ty)))
                    .collect(),
            ),
            Theirs::Tuple(tuple) => Self::Tuple(tuple.types().map(|ty| Self::of(&ty)).collect()),
            Theirs::Variant(variant) => Self::Variant(
                variant
                    .cases()
                    .map(|case| (case.name.into(), case.ty.as_ref().map(Self::of)))
                    .collect(),
            ),
            Theirs::Enum(cases) => Self::Enum(named(cases.names())),
            Theirs::Flags(flags) => Self::Flags(named(flags.names())),
            _ => Self::Unsupported("type that this version does not know"),
        }
    }

    /// How many core values hold it when it is not in memory; `None` when that is more than a call can pass.
    pub(super) fn flat_count(&self) -> Option<usize> {
        let count = match self {
            Self::String | Self::List(_) => 2,
            Self::Record(fields) => sum(fields.iter().map(|(_, ty)| ty))?,
            Self::Tuple(members) => sum(members.iter())?,
            Self::Variant(cases) => 1 + most(cases.iter().filter_map(|(_, ty)| ty.as_ref()))?,
            Self::Option(some) => 1 + some.flat_count()?,
            Self::Result(ok, err) => 1 + most(ok.iter().chain(err).map(AsRef::as_ref))?,
            Self::Flags(names) => usize::from(!names.is_empty()),
            Self::Unsupported(_) => return None,
            _ => 1,
        };
        (count <= super::signature::MOST_FLAT).then_some(count)
    }

    /// The first of this type's parts for which `wanted` holds, itself included.
    pub fn find(&self, wanted: &dyn Fn(&Self) -> bool) -> Option<&Self> {
        if wanted(self) {
            return Some(self);
        }
        match self {
            Self::List(part) | Self::Option(part) => part.find(wanted),
            Self::Record(fields) => fields.iter().find_map(|(_, ty)| ty.find(wanted)),
            Self::Tuple(members) => members.iter().find_map(|ty| ty.find(wanted)),
            Self::Variant(cases) => cases
                .iter()
                .find_map(|(_, ty)| ty.as_ref().and_then(|ty| ty.find(wanted))),
            Self::Result(ok, err) => ok.iter().chain(err).find_map(|ty| ty.find(wanted)),
            Self::Stream(item) | Self::Future(item) => item.as_ref().and_then(|ty| ty.find(wanted)),
            _ => None,
        }
    }
}

/// Names of parts with what describes them, between braces.
fn describe_all<'a>(text: &mut String, parts: impl Iterator<Item = (&'a str, Option<&'a Type>)>) {
    text.push('{');
    for (name, ty) in parts {
        text.push_str(name);
        if let Some(ty) = ty {
            text.push(':');
            ty.describe(text);
        }
        text.push(',');
    }
    text.push('}');
}

impl Type {
    /// Writes all that makes two types equal; names of WIT have none of the signs between them.
    pub(super) fn describe(&self, text: &mut String) {
        let named = |text: &mut String, word: &str, names: &[Box<str>]| {
            text.push_str(word);
            describe_all(text, names.iter().map(|name| (name.as_ref(), None)));
        };
        let boxed = |text: &mut String, word: &str, parts: [Option<&Self>; 2]| {
            text.push_str(word);
            describe_all(text, parts.into_iter().map(|part| ("", part)));
        };
        match self {
            Self::List(part) => boxed(text, "list", [Some(part), None]),
            Self::Option(part) => boxed(text, "option", [Some(part), None]),
            Self::Result(ok, err) => boxed(text, "result", [ok.as_deref(), err.as_deref()]),
            Self::Stream(part) => boxed(text, "stream", [part.as_deref(), None]),
            Self::Future(part) => boxed(text, "future", [part.as_deref(), None]),
            Self::Record(fields) => {
                text.push_str("record");
                describe_all(
                    text,
                    fields.iter().map(|(name, ty)| (name.as_ref(), Some(ty))),
                );
            }
            Self::Tuple(members) => {
                text.push_str("tuple");
                describe_all(text, members.iter().map(|ty| ("", Some(ty))));
            }
            Self::Variant(cases) => {
                text.push_str("variant");
                describe_all(
                    text,
                    cases.iter().map(|(name, ty)| (name.as_ref(), ty.as_ref())),
                );
            }
            Self::Enum(labels) => named(text, "enum", labels),
            Self::Flags(labels) => named(text, "flags", labels),
            other => text.push_str(other.word()),
        }
    }
}

/// Names as WIT has them, one after another.
fn join<'a>(
    formatter: &mut fmt::Formatter<'_>,
    word: &str,
    names: impl Iterator<Item = &'a str>,
) -> fmt::Result {
    let names: Vec<&str> = names.collect();
    write!(formatter, "{word} {{ {} }}", names.join(", "))
}

/// A type with at most one part, which is left out when it has none.
fn wrap(formatter: &mut fmt::Formatter<'_>, word: &str, part: Option<&Type>) -> fmt::Result {
    match part {
        Some(part) => write!(formatter, "{word}<{part}>"),
        None => formatter.write_str(word),
    }
}

/// As WIT writes it, on one line; records and the like with the names of their parts.
impl fmt::Display for Type {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(element) => wrap(formatter, "list", Some(element)),
            Self::Record(fields) => join(
                formatter,
                "record",
                fields.iter().map(|(name, _)| name.as_ref()),
            ),
            Self::Tuple(members) => {
                let members: Vec<String> = members.iter().map(ToString::to_string).collect();
                write!(formatter, "tuple<{}>", members.join(", "))
            }
            Self::Variant(cases) => join(
                formatter,
                "variant",
                cases.iter().map(|(name, _)| name.as_ref()),
            ),
            Self::Enum(names) => join(formatter, "enum", names.iter().map(AsRef::as_ref)),
            Self::Flags(names) => join(formatter, "flags", names.iter().map(AsRef::as_ref)),
            Self::Option(some) => wrap(formatter, "option", Some(some)),
            Self::Result(ok, None) => wrap(formatter, "result", ok.as_deref()),
            Self::Result(None, Some(err)) => write!(formatter, "result<_, {err}>"),
            Self::Result(Some(ok), Some(err)) => write!(formatter, "result<{ok}, {err}>"),
            Self::Stream(item) => wrap(formatter, "stream", item.as_deref()),
            Self::Future(item) => wrap(formatter, "future", item.as_deref()),
            other => formatter.write_str(other.word()),
        }
    }
}

impl Type {
    /// The word for types without parts.
    fn word(&self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::S8 => "s8",
            Self::U8 => "u8",
            Self::S16 => "s16",
            Self::U16 => "u16",
            Self::S32 => "s32",
            Self::U32 => "u32",
            Self::S64 => "s64",
            Self::U64 => "u64",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::Char => "char",
            Self::String => "string",
            Self::Own(_) => "own handle of a resource",
            Self::Borrow(_) => "borrowed handle of a resource",
            Self::Unsupported(name) => name,
            _ => "type",
        }
    }
}
