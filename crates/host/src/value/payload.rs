//! What streams and futures carry when they leave a store: Wasmtime must know the type when the host is compiled, so
//! there is a fixed menu.

use wasmtime::component::{ComponentType, Lift, Lower, Source};
use wasmtime::{AsContextMut, Result, format_err};

use super::{Numbers, Type, Value};

/// Bytes that are taken from a guest in one go, so that a stream never holds much more than two times this.
const MOST_BYTES: usize = 64 << 10;

/// The type of the items of a stream, or of the value of a future, that can leave its store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Payload {
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
}

impl Payload {
    /// What a stream or future of this type carries; `None` when that cannot leave, or when it is another type.
    pub fn of(handle: &Type) -> Option<Self> {
        let (Type::Stream(Some(carried)) | Type::Future(Some(carried))) = handle else {
            return None;
        };
        Some(match carried.as_ref() {
            Type::Bool => Self::Bool,
            Type::S8 => Self::S8,
            Type::U8 => Self::U8,
            Type::S16 => Self::S16,
            Type::U16 => Self::U16,
            Type::S32 => Self::S32,
            Type::U32 => Self::U32,
            Type::S64 => Self::S64,
            Type::U64 => Self::U64,
            Type::F32 => Self::F32,
            Type::F64 => Self::F64,
            Type::Char => Self::Char,
            Type::String => Self::String,
            _ => return None,
        })
    }
}

/// Does `$body` with the Rust type `$item` that a payload is.
macro_rules! with_item {
    ($payload:expr, $item:ident => $body:expr) => {
        with_item!(@ $payload, $item, $body, Bool bool S8 i8 U8 u8 S16 i16 U16 u16 S32 i32 U32 u32 S64 i64 U64 u64 F32
            f32 F64 f64 Char char String String)
    };
    (@ $payload:expr, $item:ident, $body:expr, $($case:ident $ty:ty)*) => {
        match $payload {
            $($crate::value::Payload::$case => { type $item = $ty; $body })*
        }
    };
}
pub(super) use with_item;

/// A Rust type of the menu.
pub(super) trait Item:
    ComponentType + Lift + Lower + Send + Sync + Unpin + Sized + 'static
{
    /// Several of them, as a list.
    fn pack(items: Vec<Self>) -> Value {
        Value::List(items.into_iter().map(Self::value).collect())
    }

    /// The items of a list.
    fn unpack(list: Value) -> Result<Vec<Self>> {
        match list {
            Value::List(values) => values.into_iter().map(Self::single).collect(),
            other => Err(differs(&other)),
        }
    }

    /// One of them.
    fn value(self) -> Value;

    /// The one that a value is.
    fn single(value: Value) -> Result<Self>;

    /// What a guest has ready to be taken, up to a number of bytes.
    fn take(source: &mut Source<'_, Self>, mut store: impl AsContextMut) -> Result<Vec<Self>> {
        let ready = source.remaining(&mut store);
        let mut items = Vec::with_capacity(ready.min(MOST_BYTES / size_of::<Self>()));
        if ready > 0 {
            source.read(&mut store, &mut items)?;
        }
        Ok(items)
    }
}

fn differs(value: &Value) -> wasmtime::Error {
    format_err!("a {} does not fit the type of the stream", value.kind())
}

macro_rules! single {
    ($case:ident) => {
        fn value(self) -> Value {
            Value::$case(self)
        }

        fn single(value: Value) -> Result<Self> {
            match value {
                Value::$case(item) => Ok(item),
                other => Err(differs(&other)),
            }
        }
    };
}

macro_rules! number {
    ($($case:ident $ty:ty)*) => {
        $(impl Item for $ty {
            single!($case);

            fn pack(items: Vec<Self>) -> Value {
                Value::Numbers(Numbers::$case(items))
            }

            fn unpack(list: Value) -> Result<Vec<Self>> {
                match list {
                    Value::Numbers(Numbers::$case(items)) => Ok(items),
                    Value::List(values) => values.into_iter().map(Self::single).collect(),
                    other => Err(differs(&other)),
                }
            }
        })*
    };
}

number! { S8 i8 S16 i16 U16 u16 S32 i32 U32 u32 S64 i64 U64 u64 F32 f32 F64 f64 }

impl Item for u8 {
    single!(U8);

    fn pack(items: Vec<Self>) -> Value {
        Value::Bytes(items.into())
    }

    fn unpack(list: Value) -> Result<Vec<Self>> {
        match list {
            // Costs no copy: nobody else holds these bytes.
            Value::Bytes(bytes) => Ok(bytes.into()),
            Value::List(values) => values.into_iter().map(Self::single).collect(),
            other => Err(differs(&other)),
        }
    }
}

impl Item for bool {
    single!(Bool);
}

impl Item for char {
    single!(Char);
}

impl Item for String {
    single!(String);

    /// One by one, because how much they are is known only then.
    fn take(source: &mut Source<'_, Self>, mut store: impl AsContextMut) -> Result<Vec<Self>> {
        let (mut items, mut bytes) = (Vec::new(), 0);
        while bytes < MOST_BYTES && source.remaining(&mut store) > 0 {
            let mut next = None;
            source.read(&mut store, &mut next)?;
            let Some(item): Option<Self> = next else {
                break;
            };
            bytes += size_of::<Self>() + item.len();
            items.push(item);
        }
        Ok(items)
    }
}
