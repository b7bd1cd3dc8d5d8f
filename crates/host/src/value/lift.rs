//! From a guest: core values and bytes of its memory become values. Nothing here is unsafe; whatever the guest gives that
//! the canonical ABI does not allow is an error, which Wasmtime makes a trap.

use std::slice;

use wasmtime::component::__internal::LiftContext;
use wasmtime::component::__internal::wasmtime_environ::component::{
    CanonicalAbiInfo, InterfaceType, TypeRecordIndex, TypeTuple, VariantInfo,
};
use wasmtime::component::{ComponentType, FutureAny, Lift, ResourceAny, StreamAny};
use wasmtime::{Result, ValRaw, bail, format_err};

use super::buffer;
use super::{Numbers, Value};

/// Where a value stands: next among core values, or in these bytes of memory, which are exactly its own.
pub(super) enum Source<'a, 'flat> {
    Flat(&'flat mut slice::Iter<'a, ValRaw>),
    Memory(&'a [u8]),
}

/// Bytes that a host value takes beside what it points to, which a guest pays for.
const WEIGHT: usize = size_of::<Value>();

fn few() -> wasmtime::Error {
    format_err!("the call passed fewer values than its type has")
}

fn size(abi: &CanonicalAbiInfo) -> Result<usize> {
    Ok(usize::try_from(abi.size32)?)
}

impl<'a> Source<'a, '_> {
    /// The same place, for a part of the value.
    fn again(&mut self) -> Source<'a, '_> {
        match self {
            Self::Flat(values) => Source::Flat(values),
            Self::Memory(bytes) => Source::Memory(bytes),
        }
    }

    /// The next part of the value; `offset` is the end of the one before.
    fn part(&mut self, abi: &CanonicalAbiInfo, offset: &mut u32) -> Result<Source<'a, '_>> {
        match self {
            Self::Flat(values) => Ok(Source::Flat(values)),
            Self::Memory(bytes) => {
                let start = usize::try_from(abi.next_field32(offset))?;
                let part = bytes.get(start..start + size(abi)?).ok_or_else(few)?;
                Ok(Source::Memory(part))
            }
        }
    }

    /// A value of one core value.
    fn one<T>(self, cx: &mut LiftContext<'_>, ty: InterfaceType) -> Result<T>
    where
        T: Lift + ComponentType<Lower = ValRaw>,
    {
        match self {
            Self::Flat(values) => T::linear_lift_from_flat(cx, ty, values.next().ok_or_else(few)?),
            Self::Memory(bytes) => T::linear_lift_from_memory(cx, ty, bytes),
        }
    }

    /// A string, or a list of numbers: a pointer and a length.
    fn two<T>(self, cx: &mut LiftContext<'_>, ty: InterfaceType) -> Result<T>
    where
        T: Lift + ComponentType<Lower = [ValRaw; 2]>,
    {
        match self {
            Self::Flat(values) => {
                let (first, rest) = values.as_slice().split_first_chunk().ok_or_else(few)?;
                *values = rest.iter();
                T::linear_lift_from_flat(cx, ty, first)
            }
            Self::Memory(bytes) => T::linear_lift_from_memory(cx, ty, bytes),
        }
    }

    /// A pointer and a length, unchecked.
    fn range(self, cx: &mut LiftContext<'_>) -> Result<(usize, usize)> {
        let (pointer, length) = match self {
            Self::Flat(values) => {
                let mut next = || values.next().map(ValRaw::get_u32).ok_or_else(few);
                (next()?, next()?)
            }
            Self::Memory(bytes) => {
                let (first, rest) = bytes.split_at_checked(4).ok_or_else(few)?;
                let mut word = |bytes| u32::linear_lift_from_memory(cx, InterfaceType::U32, bytes);
                (word(first)?, word(rest)?)
            }
        };
        Ok((usize::try_from(pointer)?, usize::try_from(length)?))
    }

    /// Which case a variant has.
    fn case(&mut self, cx: &mut LiftContext<'_>, info: &VariantInfo) -> Result<u32> {
        match self {
            Self::Flat(values) => Ok(values.next().ok_or_else(few)?.get_u32()),
            Self::Memory(bytes) => {
                let length = usize::from(info.size);
                let bytes = bytes.get(..length).ok_or_else(few)?;
                match length {
                    1 => u8::linear_lift_from_memory(cx, InterfaceType::U8, bytes).map(u32::from),
                    2 => u16::linear_lift_from_memory(cx, InterfaceType::U16, bytes).map(u32::from),
                    _ => u32::linear_lift_from_memory(cx, InterfaceType::U32, bytes),
                }
            }
        }
    }
}

/// All members of a tuple, which is what parameters and results are too.
pub(super) fn members(
    cx: &mut LiftContext<'_>,
    tuple: &TypeTuple,
    mut source: Source<'_, '_>,
) -> Result<Vec<Value>> {
    cx.consume_fuel_array(tuple.types.len(), WEIGHT)?;
    let (types, mut offset) = (cx.types, 0);
    let mut values = Vec::with_capacity(tuple.types.len());
    for ty in &tuple.types {
        let part = source.part(types.canonical_abi(ty), &mut offset)?;
        values.push(value(cx, *ty, part)?);
    }
    Ok(values)
}

fn value(cx: &mut LiftContext<'_>, ty: InterfaceType, source: Source<'_, '_>) -> Result<Value> {
    use InterfaceType as Type;
    Ok(match ty {
        Type::Bool => Value::Bool(source.one(cx, ty)?),
        Type::S8 => Value::S8(source.one(cx, ty)?),
        Type::U8 => Value::U8(source.one(cx, ty)?),
        Type::S16 => Value::S16(source.one(cx, ty)?),
        Type::U16 => Value::U16(source.one(cx, ty)?),
        Type::S32 => Value::S32(source.one(cx, ty)?),
        Type::U32 => Value::U32(source.one(cx, ty)?),
        Type::S64 => Value::S64(source.one(cx, ty)?),
        Type::U64 => Value::U64(source.one(cx, ty)?),
        Type::Float32 => Value::F32(source.one(cx, ty)?),
        Type::Float64 => Value::F64(source.one(cx, ty)?),
        Type::Char => Value::Char(source.one(cx, ty)?),
        Type::String => Value::String(source.two(cx, ty)?),
        Type::List(index) => {
            let element = cx.types[index].element;
            list(cx, ty, element, source)?
        }
        Type::Own(_) | Type::Borrow(_) => Value::Resource(source.one::<ResourceAny>(cx, ty)?),
        Type::Stream(_) => Value::Stream(source.one::<StreamAny>(cx, ty)?),
        Type::Future(_) => Value::Future(source.one::<FutureAny>(cx, ty)?),
        other => compound(cx, other, source)?,
    })
}

fn compound(cx: &mut LiftContext<'_>, ty: InterfaceType, source: Source<'_, '_>) -> Result<Value> {
    use InterfaceType as Type;
    let types = cx.types;
    Ok(match ty {
        Type::Record(index) => Value::Record(fields(cx, index, source)?),
        Type::Tuple(index) => Value::Tuple(members(cx, &types[index], source)?),
        Type::Variant(index) => {
            let info = &types[index];
            let cases = |case| info.cases.get_index(case).map(|(_, ty)| *ty);
            let (case, payload) = chosen(cx, &info.info, &info.abi, source, cases)?;
            Value::Variant { case, payload }
        }
        Type::Enum(index) => {
            let info = &types[index];
            let cases = |case| (case < info.names.len()).then_some(None);
            Value::Enum(chosen(cx, &info.info, &info.abi, source, cases)?.0)
        }
        Type::Option(index) => {
            let info = &types[index];
            let cases = |case| [None, Some(info.ty)].get(case).copied();
            Value::Option(chosen(cx, &info.info, &info.abi, source, cases)?.1)
        }
        Type::Result(index) => {
            let info = &types[index];
            let cases = |case| [info.ok, info.err].get(case).copied();
            let (case, payload) = chosen(cx, &info.info, &info.abi, source, cases)?;
            Value::Result(if case == 0 { Ok(payload) } else { Err(payload) })
        }
        Type::Flags(index) => {
            let info = &types[index];
            Value::Flags(flags(cx, info.names.len(), source)?)
        }
        _ => {
            bail!("values of this type cannot be passed: map, error-context, list of fixed length")
        }
    })
}

fn fields(
    cx: &mut LiftContext<'_>,
    index: TypeRecordIndex,
    mut source: Source<'_, '_>,
) -> Result<Vec<Value>> {
    let types = cx.types;
    let fields = &types[index].fields;
    cx.consume_fuel_array(fields.len(), WEIGHT)?;
    let (mut offset, mut values) = (0, Vec::with_capacity(fields.len()));
    for field in fields {
        let part = source.part(types.canonical_abi(&field.ty), &mut offset)?;
        values.push(value(cx, field.ty, part)?);
    }
    Ok(values)
}

/// The case that a guest chose and what it carries; `cases` gives the type of that, or nothing when there is no such case.
fn chosen(
    cx: &mut LiftContext<'_>,
    info: &VariantInfo,
    abi: &CanonicalAbiInfo,
    mut source: Source<'_, '_>,
    cases: impl Fn(usize) -> Option<Option<InterfaceType>>,
) -> Result<(u32, Option<Box<Value>>)> {
    let before = source.again().left();
    let case = source.case(cx, info)?;
    let Some(ty) = cases(usize::try_from(case)?) else {
        bail!("the guest chose case {case}, which its type does not have");
    };
    let mut payload = None;
    if let Some(ty) = ty {
        cx.consume_fuel(WEIGHT)?;
        let mut offset = info.payload_offset32;
        let types = cx.types;
        let part = source.part(types.canonical_abi(&ty), &mut offset)?;
        payload = Some(Box::new(value(cx, ty, part)?));
    }
    source.skip(before, usize::from(abi.flat_count.unwrap_or(0)))?;
    Ok((case, payload))
}

impl Source<'_, '_> {
    /// Core values that were not read yet.
    fn left(self) -> usize {
        match self {
            Self::Flat(values) => values.len(),
            Self::Memory(_) => 0,
        }
    }

    /// Passes the core values that only larger cases use; `before` were left when the variant began.
    fn skip(self, before: usize, total: usize) -> Result<()> {
        if let Self::Flat(values) = self {
            let read = before - values.len();
            let rest = total.saturating_sub(read);
            *values = values.as_slice().get(rest..).ok_or_else(few)?.iter();
        }
        Ok(())
    }
}

fn flags(cx: &mut LiftContext<'_>, count: usize, source: Source<'_, '_>) -> Result<u32> {
    let bits = match (count, &source) {
        (0, _) => 0,
        (1..=8, Source::Memory(_)) => source.one::<u8>(cx, InterfaceType::U8)?.into(),
        (9..=16, Source::Memory(_)) => source.one::<u16>(cx, InterfaceType::U16)?.into(),
        (..=32, _) => source.one(cx, InterfaceType::U32)?,
        _ => bail!("flags of more than 32 cannot be passed"),
    };
    // Bits without a flag are to be ignored (Canonical ABI, `lift_flags`).
    let unused = 32 - u32::try_from(count)?;
    Ok(bits & u32::MAX.checked_shr(unused).unwrap_or(0))
}

fn list(
    cx: &mut LiftContext<'_>,
    ty: InterfaceType,
    element: InterfaceType,
    source: Source<'_, '_>,
) -> Result<Value> {
    use InterfaceType as Type;
    let numbers = match element {
        Type::U8 => return bytes(cx, source),
        Type::S8 => Numbers::S8(source.two(cx, ty)?),
        Type::S16 => Numbers::S16(source.two(cx, ty)?),
        Type::U16 => Numbers::U16(source.two(cx, ty)?),
        Type::S32 => Numbers::S32(source.two(cx, ty)?),
        Type::U32 => Numbers::U32(source.two(cx, ty)?),
        Type::S64 => Numbers::S64(source.two(cx, ty)?),
        Type::U64 => Numbers::U64(source.two(cx, ty)?),
        Type::Float32 => Numbers::F32(source.two(cx, ty)?),
        Type::Float64 => Numbers::F64(source.two(cx, ty)?),
        _ => return items(cx, element, source),
    };
    Ok(Value::Numbers(numbers))
}

fn bytes(cx: &mut LiftContext<'_>, source: Source<'_, '_>) -> Result<Value> {
    let (pointer, length) = source.range(cx)?;
    let Some(bytes) = in_memory(cx, pointer, length) else {
        bail!("list pointer/length out of bounds of memory");
    };
    cx.consume_fuel(length)?;
    Ok(Value::Bytes(buffer::copied(bytes)))
}

fn in_memory<'a>(cx: &LiftContext<'a>, pointer: usize, length: usize) -> Option<&'a [u8]> {
    cx.memory().get(pointer..pointer.checked_add(length)?)
}

fn items(
    cx: &mut LiftContext<'_>,
    element: InterfaceType,
    source: Source<'_, '_>,
) -> Result<Value> {
    let (pointer, length) = source.range(cx)?;
    let abi = cx.types.canonical_abi(&element);
    let (size, align) = (size(abi)?, usize::try_from(abi.align32)?);
    let whole = length
        .checked_mul(size)
        .and_then(|whole| in_memory(cx, pointer, whole));
    let Some(whole) = whole else {
        bail!("list pointer/length out of bounds of memory");
    };
    if !pointer.is_multiple_of(align) {
        bail!("list pointer is not aligned");
    }
    cx.consume_fuel_array(length, WEIGHT)?;
    if size == 0 {
        // Only flags without a name and records without a field take no room; such a list is just its length.
        let item = value(cx, element, Source::Memory(&[]))?;
        return Ok(Value::List(vec![item; length]));
    }
    let mut values = Vec::with_capacity(length);
    for bytes in whole.chunks_exact(size) {
        values.push(value(cx, element, Source::Memory(bytes))?);
    }
    Ok(Value::List(values))
}
