//! Values of any WIT type, and calls of any component function with them, without generated code.
//!
//! [`Value`] is one value, [`Type`] is the type of one, [`Signature`] is the type of a function, made once. With a
//! signature, [`call`] calls an export and [`define`] answers an import:
//!
//! ```no_run
//! # use wasmtime::component::{Func, LinkerInstance};
//! # use wisp_host::value::{self, Signature, Value};
//! # async fn example(
//! #     mut store: wasmtime::Store<()>, process: Func, linker: &mut LinkerInstance<'_, ()>,
//! #     import: wasmtime::component::types::ComponentFunc,
//! # ) -> wasmtime::Result<()> {
//! let signature = Signature::of(&process.ty(&store));
//! let packet = Value::Record(vec![Value::String("a1".into()), Value::U8(7)]);
//! let result = value::call(&mut store, &process, &signature, vec![packet]).await?;
//!
//! value::define(linker, "log", &Signature::of(&import), |_store, arguments| {
//!     Box::pin(async move { Ok(arguments.into_iter().next()) })
//! })?;
//! # Ok(())
//! # }
//! ```
//!
//! # Theory of operation
//!
//! Wasmtime has two ways to pass values: types that are known when the host is compiled, and its own dynamic `Val`. `Val`
//! names every field and case with a string of its own, and holds a `list<u8>` as one `Val` for each byte. We want the
//! speed of the first with the freedom of the second: so there are a few types that pretend to be known
//! ([`abi`]), and when Wasmtime asks them to copy themselves they look up in the component's own type information what
//! they are this time ([`lift`], [`lower`]). Sizes and offsets were computed when the component was compiled. Fields and
//! cases are positions, never names. `string` and lists of numbers are copied in one go, `list<u8>` as [`bytes::Bytes`].
//!
//! What comes from a guest is checked as the canonical ABI demands (encodings, `char`s, cases, alignment, bounds), counts
//! against the store's fuel for host calls, and is a trap with a message when it is wrong. What goes to a guest is
//! checked against the type before the guest is entered: a wrong argument names its place (`argument packet: field id:
//! expected string, found u32`) and leaves the instance as it was.
//!
//! Resources, streams and futures are handles of the store that they came from; Wasmtime checks them. Streams and futures of
//! a few types can leave it ([`Ends`]). `map`, `error-context` and lists of fixed length are refused by name.

mod abi;
mod buffer;
mod call;
mod define;
mod fate;
mod lift;
mod lower;
mod payload;
mod signature;
mod stream;
mod types;
mod wire;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use wasmtime::component::{FutureAny, ResourceAny, StreamAny};

pub use call::{call, call_blocking, call_concurrent};
pub use define::{Answer, define, define_concurrent};
pub use fate::{Ends, Fate};
pub use payload::Payload;
pub use signature::{Mismatch, Signature};
pub use stream::{Chunks, Closed, Feed, channel, each_handle};
pub use types::Type;
pub use wire::{MOST_MEMORY, WireError, decode, encode};

/// A value of a WIT type.
///
/// Equality is that of Rust: a NaN is not equal to itself, and handles are equal when they are the same handle.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `bool`
    Bool(bool),
    /// `s8`
    S8(i8),
    /// `u8`
    U8(u8),
    /// `s16`
    S16(i16),
    /// `u16`
    U16(u16),
    /// `s32`
    S32(i32),
    /// `u32`
    U32(u32),
    /// `s64`
    S64(i64),
    /// `u64`
    U64(u64),
    /// `f32`
    F32(f32),
    /// `f64`
    F64(f64),
    /// `char`
    Char(char),
    /// `string`
    String(String),
    /// `list<u8>`: what a guest gives is always this, and a [`Value::List`] of `u8` is taken too.
    Bytes(Bytes),
    /// A list of other numbers: what a guest gives is always this, and a [`Value::List`] of numbers is taken too.
    Numbers(Numbers),
    /// A list of anything else.
    List(Vec<Value>),
    /// The fields of a record, in the order of its type.
    Record(Vec<Value>),
    /// The members of a tuple.
    Tuple(Vec<Value>),
    /// A case of a variant.
    Variant {
        /// Its position in the type.
        case: u32,
        /// What it carries, where the case has a type.
        payload: Option<Box<Value>>,
    },
    /// The position of a case of an enum.
    Enum(u32),
    /// Flags, the first of them in the lowest bit; a type has at most 32.
    Flags(u32),
    /// `option<T>`
    Option(Option<Box<Value>>),
    /// `result<T, E>`, each with a value where the type has one.
    Result(Result<Option<Box<Value>>, Option<Box<Value>>>),
    /// A handle of a resource, owned or borrowed.
    Resource(ResourceAny),
    /// The readable end of a stream.
    Stream(StreamAny),
    /// The readable end of a future.
    Future(FutureAny),
    /// Something of the host's own that has no handle yet. Whoever makes a call exchanges it for one before.
    Given(Given),
}

/// Something that only the host knows: what a handle stands for, where there is no handle yet, or none any more.
#[derive(Clone)]
pub struct Given {
    /// What it is.
    pub object: Arc<dyn Any + Send + Sync>,
    /// A number by which the host knows its type.
    pub ty: usize,
    /// Whether whoever passes it gives it away.
    pub owned: bool,
}

impl fmt::Debug for Given {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Given")
            .field("ty", &self.ty)
            .field("owned", &self.owned)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Given {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.object, &other.object) && (self.ty, self.owned) == (other.ty, other.owned)
    }
}

/// A list of numbers of one type, without a [`Value`] for each.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    /// `list<s8>`
    S8(Vec<i8>),
    /// `list<s16>`
    S16(Vec<i16>),
    /// `list<u16>`
    U16(Vec<u16>),
    /// `list<s32>`
    S32(Vec<i32>),
    /// `list<u32>`
    U32(Vec<u32>),
    /// `list<s64>`
    S64(Vec<i64>),
    /// `list<u64>`
    U64(Vec<u64>),
    /// `list<f32>`
    F32(Vec<f32>),
    /// `list<f64>`
    F64(Vec<f64>),
}

impl Numbers {
    /// The type of one of them.
    pub fn element(&self) -> Type {
        match self {
            Self::S8(_) => Type::S8,
            Self::S16(_) => Type::S16,
            Self::U16(_) => Type::U16,
            Self::S32(_) => Type::S32,
            Self::U32(_) => Type::U32,
            Self::S64(_) => Type::S64,
            Self::U64(_) => Type::U64,
            Self::F32(_) => Type::F32,
            Self::F64(_) => Type::F64,
        }
    }
}

impl Value {
    /// What kind of value this is, in WIT's words, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "bool",
            Self::S8(_) => "s8",
            Self::U8(_) => "u8",
            Self::S16(_) => "s16",
            Self::U16(_) => "u16",
            Self::S32(_) => "s32",
            Self::U32(_) => "u32",
            Self::S64(_) => "s64",
            Self::U64(_) => "u64",
            Self::F32(_) => "f32",
            Self::F64(_) => "f64",
            Self::Char(_) => "char",
            Self::String(_) => "string",
            Self::Bytes(_) => "list<u8>",
            Self::Numbers(numbers) => numbers.kind(),
            Self::List(_) => "list",
            Self::Record(_) => "record",
            Self::Tuple(_) => "tuple",
            Self::Variant { .. } => "variant",
            Self::Enum(_) => "enum",
            Self::Flags(_) => "flags",
            Self::Option(_) => "option",
            Self::Result(_) => "result",
            Self::Resource(_) => "resource",
            Self::Stream(_) => "stream",
            Self::Future(_) => "future",
            Self::Given(_) => "thing of the host's own",
        }
    }
}

impl Numbers {
    fn kind(&self) -> &'static str {
        match self {
            Self::S8(_) => "list<s8>",
            Self::S16(_) => "list<s16>",
            Self::U16(_) => "list<u16>",
            Self::S32(_) => "list<s32>",
            Self::U32(_) => "list<u32>",
            Self::S64(_) => "list<s64>",
            Self::U64(_) => "list<u64>",
            Self::F32(_) => "list<f32>",
            Self::F64(_) => "list<f64>",
        }
    }
}
