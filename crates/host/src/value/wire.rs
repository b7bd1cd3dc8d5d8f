//! Values as bytes, for another host.
//!
//! Who reads knows the type, so nothing of it is written: a record is its fields one after another, a variant its case and
//! then what that carries. Numbers have their width, the lowest byte first; a case, the bits of flags and a length are a
//! `u32`; `bool`, `option` and `result` begin with one byte. Where a stream or a future stands there is one byte, and what
//! it carries comes apart from the values.
//!
//! What comes from another host is believed in nothing: each byte is checked as a guest's is, and the values may not take
//! more memory than a guest may pass in one call, whatever lengths they claim. Types of one function are finite, so nothing
//! nests deeper than they do.

use bytes::Bytes;
use thiserror::Error;

use super::{Numbers, Type, Value};

/// Bytes of memory that the values of one message may take when they are read; what a guest may pass in one call.
pub const MOST_MEMORY: usize = 32 << 20;
/// What one value takes beside what it points to.
const WEIGHT: usize = size_of::<Value>();
/// Stands for a stream or a future.
const HANDLE: u8 = 0xff;

/// Values that cannot be written, or bytes that are no values of the type.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum WireError {
    /// There are fewer bytes than the type takes.
    #[error("the values end too early")]
    Short,
    /// There are more.
    #[error("{0} bytes follow the values")]
    Rest(usize),
    /// A byte that means nothing.
    #[error("{0} is no value of a {1}")]
    Wrong(u32, &'static str),
    /// Text that is not UTF-8.
    #[error("a string is not UTF-8")]
    Text,
    /// The values would take more memory than a call may pass.
    #[error("the values take more than {} MiB", MOST_MEMORY >> 20)]
    Large,
    /// A value that does not fit the type, or a type that cannot go to another host.
    #[error("a {0} cannot be sent where a `{1}` is expected")]
    Unfit(&'static str, String),
}

/// Writes a value of this type behind what is there.
pub fn encode(ty: &Type, value: &Value, out: &mut Vec<u8>) -> Result<(), WireError> {
    match (ty, value) {
        (Type::Bool, Value::Bool(value)) => out.push((*value).into()),
        (Type::S8, Value::S8(value)) => out.extend(value.to_le_bytes()),
        (Type::U8, Value::U8(value)) => out.push(*value),
        (Type::S16, Value::S16(value)) => out.extend(value.to_le_bytes()),
        (Type::U16, Value::U16(value)) => out.extend(value.to_le_bytes()),
        (Type::S32, Value::S32(value)) => out.extend(value.to_le_bytes()),
        (Type::U32, Value::U32(value)) => out.extend(value.to_le_bytes()),
        (Type::S64, Value::S64(value)) => out.extend(value.to_le_bytes()),
        (Type::U64, Value::U64(value)) => out.extend(value.to_le_bytes()),
        (Type::F32, Value::F32(value)) => out.extend(value.to_le_bytes()),
        (Type::F64, Value::F64(value)) => out.extend(value.to_le_bytes()),
        (Type::Char, Value::Char(value)) => out.extend(u32::from(*value).to_le_bytes()),
        (Type::String, Value::String(text)) => {
            count(text.len(), out)?;
            out.extend_from_slice(text.as_bytes());
        }
        (Type::List(element), _) => return encode_list(ty, element, value, out),
        (Type::Stream(_) | Type::Future(_), _) => out.push(HANDLE),
        _ => return encode_parts(ty, value, out),
    }
    Ok(())
}

fn count(length: usize, out: &mut Vec<u8>) -> Result<(), WireError> {
    let length = u32::try_from(length).map_err(|_| WireError::Large)?;
    out.extend(length.to_le_bytes());
    Ok(())
}

fn unfit(ty: &Type, value: &Value) -> WireError {
    WireError::Unfit(value.kind(), ty.to_string())
}

fn encode_list(
    ty: &Type,
    element: &Type,
    value: &Value,
    out: &mut Vec<u8>,
) -> Result<(), WireError> {
    match value {
        Value::Bytes(bytes) if *element == Type::U8 => {
            count(bytes.len(), out)?;
            out.extend_from_slice(bytes);
        }
        Value::Numbers(numbers) if numbers.element() == *element => encode_numbers(numbers, out)?,
        Value::List(items) => {
            count(items.len(), out)?;
            for item in items {
                encode(element, item, out)?;
            }
        }
        other => return Err(unfit(ty, other)),
    }
    Ok(())
}

fn encode_numbers(numbers: &Numbers, out: &mut Vec<u8>) -> Result<(), WireError> {
    macro_rules! each {
        ($($case:ident)*) => {
            match numbers {
                $(Numbers::$case(items) => {
                    count(items.len(), out)?;
                    out.extend(items.iter().flat_map(|item| item.to_le_bytes()));
                })*
            }
        };
    }
    each!(S8 S16 U16 S32 U32 S64 U64 F32 F64);
    Ok(())
}

/// The types with named or several parts.
fn encode_parts(ty: &Type, value: &Value, out: &mut Vec<u8>) -> Result<(), WireError> {
    match (ty, value) {
        (Type::Record(fields), Value::Record(values)) if fields.len() == values.len() => fields
            .iter()
            .zip(values)
            .try_for_each(|((_, ty), value)| encode(ty, value, out)),
        (Type::Tuple(members), Value::Tuple(values)) if members.len() == values.len() => members
            .iter()
            .zip(values)
            .try_for_each(|(ty, value)| encode(ty, value, out)),
        (Type::Variant(cases), Value::Variant { case, payload }) => {
            let found = usize::try_from(*case).ok().and_then(|case| cases.get(case));
            let (_, carried) = found.ok_or_else(|| unfit(ty, value))?;
            out.extend(case.to_le_bytes());
            encode_carried((ty, value), carried.as_ref(), payload.as_deref(), out)
        }
        (Type::Enum(_), Value::Enum(case)) => {
            out.extend(case.to_le_bytes());
            Ok(())
        }
        (Type::Flags(_), Value::Flags(bits)) => {
            out.extend(bits.to_le_bytes());
            Ok(())
        }
        (Type::Option(some), Value::Option(given)) => {
            out.push(given.is_some().into());
            given
                .as_ref()
                .map_or(Ok(()), |given| encode(some, given, out))
        }
        (Type::Result(ok, _), Value::Result(Ok(given))) => {
            out.push(0);
            encode_carried((ty, value), ok.as_deref(), given.as_deref(), out)
        }
        (Type::Result(_, err), Value::Result(Err(given))) => {
            out.push(1);
            encode_carried((ty, value), err.as_deref(), given.as_deref(), out)
        }
        _ => Err(unfit(ty, value)),
    }
}

fn encode_carried(
    (whole, value): (&Type, &Value),
    ty: Option<&Type>,
    carried: Option<&Value>,
    out: &mut Vec<u8>,
) -> Result<(), WireError> {
    match (ty, carried) {
        (Some(ty), Some(carried)) => encode(ty, carried, out),
        (None, None) => Ok(()),
        _ => Err(unfit(whole, value)),
    }
}

/// Reads values of these types, which are all that there is.
///
/// Where a stream or a future stands there is an empty tuple, which fits no type: see [`each_handle`](super::each_handle).
pub fn decode<'t>(
    types: impl Iterator<Item = &'t Type>,
    bytes: Bytes,
) -> Result<Vec<Value>, WireError> {
    let mut reader = Reader {
        bytes,
        memory: MOST_MEMORY,
    };
    let values = types
        .map(|ty| reader.value(ty))
        .collect::<Result<Vec<_>, _>>()?;
    match reader.bytes.len() {
        0 => Ok(values),
        rest => Err(WireError::Rest(rest)),
    }
}

struct Reader {
    bytes: Bytes,
    /// Bytes that values may still take.
    memory: usize,
}

impl Reader {
    fn pay(&mut self, bytes: usize) -> Result<(), WireError> {
        self.memory = self.memory.checked_sub(bytes).ok_or(WireError::Large)?;
        Ok(())
    }

    fn take(&mut self, length: usize) -> Result<Bytes, WireError> {
        if length > self.bytes.len() {
            return Err(WireError::Short);
        }
        Ok(self.bytes.split_to(length))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let taken = self.take(N)?;
        <[u8; N]>::try_from(&*taken).map_err(|_| WireError::Short)
    }

    fn byte(&mut self) -> Result<u8, WireError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn word(&mut self) -> Result<u32, WireError> {
        self.array().map(u32::from_le_bytes)
    }

    /// The number of items that follow, each of which takes at least so many bytes.
    fn length(&mut self, least: usize) -> Result<usize, WireError> {
        let length = usize::try_from(self.word()?).map_err(|_| WireError::Large)?;
        match length.checked_mul(least) {
            Some(bytes) if bytes <= self.bytes.len() => Ok(length),
            _ => Err(WireError::Short),
        }
    }

    fn value(&mut self, ty: &Type) -> Result<Value, WireError> {
        self.pay(WEIGHT)?;
        Ok(match ty {
            Type::Bool => Value::Bool(self.choice("bool")? == 1),
            Type::S8 => Value::S8(i8::from_le_bytes(self.array()?)),
            Type::U8 => Value::U8(self.byte()?),
            Type::S16 => Value::S16(i16::from_le_bytes(self.array()?)),
            Type::U16 => Value::U16(u16::from_le_bytes(self.array()?)),
            Type::S32 => Value::S32(i32::from_le_bytes(self.array()?)),
            Type::U32 => Value::U32(self.word()?),
            Type::S64 => Value::S64(i64::from_le_bytes(self.array()?)),
            Type::U64 => Value::U64(u64::from_le_bytes(self.array()?)),
            Type::F32 => Value::F32(f32::from_le_bytes(self.array()?)),
            Type::F64 => Value::F64(f64::from_le_bytes(self.array()?)),
            Type::Char => {
                let code = self.word()?;
                Value::Char(char::from_u32(code).ok_or(WireError::Wrong(code, "char"))?)
            }
            Type::String => self.text()?,
            Type::List(element) => self.list(element)?,
            _ => self.parts(ty)?,
        })
    }

    /// One byte that is 0 or 1.
    fn choice(&mut self, what: &'static str) -> Result<u8, WireError> {
        match self.byte()? {
            choice @ (0 | 1) => Ok(choice),
            other => Err(WireError::Wrong(other.into(), what)),
        }
    }

    fn text(&mut self) -> Result<Value, WireError> {
        let length = self.length(1)?;
        self.pay(length)?;
        let bytes = self.take(length)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| WireError::Text)?;
        Ok(Value::String(text.to_owned()))
    }

    fn list(&mut self, element: &Type) -> Result<Value, WireError> {
        macro_rules! numbers {
            ($case:ident $number:ty) => {{
                const SIZE: usize = size_of::<$number>();
                let length = self.length(SIZE)?;
                self.pay(length * SIZE)?;
                let bytes = self.take(length * SIZE)?;
                let items = bytes.as_chunks().0.iter();
                Value::Numbers(Numbers::$case(
                    items.map(|item| <$number>::from_le_bytes(*item)).collect(),
                ))
            }};
        }
        Ok(match element {
            Type::U8 => {
                let length = self.length(1)?;
                self.pay(length)?;
                Value::Bytes(self.take(length)?)
            }
            Type::S8 => numbers!(S8 i8),
            Type::S16 => numbers!(S16 i16),
            Type::U16 => numbers!(U16 u16),
            Type::S32 => numbers!(S32 i32),
            Type::U32 => numbers!(U32 u32),
            Type::S64 => numbers!(S64 i64),
            Type::U64 => numbers!(U64 u64),
            Type::F32 => numbers!(F32 f32),
            Type::F64 => numbers!(F64 f64),
            // Each takes a byte at least, or stands for no type that WIT has.
            _ => {
                let length = self.length(1)?;
                if length.saturating_mul(WEIGHT) > self.memory {
                    return Err(WireError::Large);
                }
                let items = (0..length).map(|_| self.value(element));
                Value::List(items.collect::<Result<_, _>>()?)
            }
        })
    }

    /// The types with named or several parts, and handles.
    fn parts(&mut self, ty: &Type) -> Result<Value, WireError> {
        Ok(match ty {
            Type::Record(fields) => {
                let values = fields.iter().map(|(_, ty)| self.value(ty));
                Value::Record(values.collect::<Result<_, _>>()?)
            }
            Type::Tuple(members) => {
                let values = members.iter().map(|ty| self.value(ty));
                Value::Tuple(values.collect::<Result<_, _>>()?)
            }
            Type::Variant(cases) => {
                let case = self.word()?;
                let found = usize::try_from(case).ok().and_then(|case| cases.get(case));
                let (_, ty) = found.ok_or(WireError::Wrong(case, "variant"))?;
                let payload = self.carried(ty.as_ref())?;
                Value::Variant { case, payload }
            }
            Type::Enum(names) => {
                let case = self.word()?;
                match usize::try_from(case) {
                    Ok(index) if index < names.len() => Value::Enum(case),
                    _ => return Err(WireError::Wrong(case, "enum")),
                }
            }
            Type::Flags(names) => Value::Flags(self.flags(names.len())?),
            Type::Option(some) => match self.choice("option")? {
                0 => Value::Option(None),
                _ => Value::Option(self.carried(Some(some))?),
            },
            Type::Result(ok, err) => match self.choice("result")? {
                0 => Value::Result(Ok(self.carried(ok.as_deref())?)),
                _ => Value::Result(Err(self.carried(err.as_deref())?)),
            },
            Type::Stream(_) | Type::Future(_) => match self.byte()? {
                HANDLE => Value::Tuple(Vec::new()),
                other => return Err(WireError::Wrong(other.into(), "stream")),
            },
            other => return Err(WireError::Unfit("value", other.to_string())),
        })
    }

    fn flags(&mut self, count: usize) -> Result<u32, WireError> {
        let bits = self.word()?;
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        match bits.checked_shr(count) {
            None | Some(0) => Ok(bits),
            Some(_) => Err(WireError::Wrong(bits, "flags")),
        }
    }

    fn carried(&mut self, ty: Option<&Type>) -> Result<Option<Box<Value>>, WireError> {
        ty.map(|ty| self.value(ty).map(Box::new)).transpose()
    }
}
