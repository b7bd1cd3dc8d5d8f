//! To a guest: values become core values, and bytes that the guest's own allocator made room for. Nothing here is unsafe.
//!
//! Values are compared with their types again while they are written: what [`Signature`](super::Signature) checked before
//! is a courtesy to the caller, this is what memory safety of the guest rests on.

use std::slice;

use wasmtime::component::__internal::LowerContext;
use wasmtime::component::__internal::wasmtime_environ::component::{
    CanonicalAbiInfo, InterfaceType, TypeRecordIndex, TypeTuple, VariantInfo,
};
use wasmtime::component::{ComponentType, Lower};
use wasmtime::{Result, ValRaw, bail, format_err};

use super::abi::lowered;
use super::{Numbers, Value};

/// Where a value goes: next among core values (which are zero so far), or to this place in memory.
pub(super) enum Target<'flat, 'a> {
    Flat(&'flat mut slice::IterMut<'a, ValRaw>),
    Memory(usize),
}

fn many() -> wasmtime::Error {
    format_err!("the call takes fewer values than its type has")
}

impl<'a> Target<'_, 'a> {
    /// The same place, for a part of the value.
    fn again(&mut self) -> Target<'_, 'a> {
        match self {
            Self::Flat(values) => Target::Flat(values),
            Self::Memory(offset) => Target::Memory(*offset),
        }
    }

    /// Where the next part of the value goes; `offset` is the end of the one before.
    fn part(&mut self, abi: &CanonicalAbiInfo, offset: &mut u32) -> Result<Target<'_, 'a>> {
        let start = usize::try_from(abi.next_field32(offset))?;
        Ok(match self.again() {
            Target::Memory(base) => Target::Memory(base + start),
            flat @ Target::Flat(_) => flat,
        })
    }

    /// A value of one core value.
    fn one<V, T>(self, cx: &mut LowerContext<'_, T>, ty: InterfaceType, value: &V) -> Result<()>
    where
        V: Lower + ComponentType<Lower = ValRaw>,
    {
        match self {
            Self::Flat(values) => {
                *values.next().ok_or_else(many)? = lowered(cx, ty, value)?;
                Ok(())
            }
            Self::Memory(offset) => value.linear_lower_to_memory(cx, ty, offset),
        }
    }

    /// A string, or a list of numbers: a pointer and a length.
    fn two<V, T>(self, cx: &mut LowerContext<'_, T>, ty: InterfaceType, value: &V) -> Result<()>
    where
        V: Lower + ComponentType<Lower = [ValRaw; 2]> + ?Sized,
    {
        match self {
            Self::Flat(values) => {
                for raw in lowered(cx, ty, value)? {
                    *values.next().ok_or_else(many)? = raw;
                }
                Ok(())
            }
            Self::Memory(offset) => value.linear_lower_to_memory(cx, ty, offset),
        }
    }

    /// A pointer and a length.
    fn range<T>(self, cx: &mut LowerContext<'_, T>, pointer: usize, length: usize) -> Result<()> {
        let (pointer, length) = (u32::try_from(pointer)?, u32::try_from(length)?);
        match self {
            Self::Flat(values) => {
                *values.next().ok_or_else(many)? = ValRaw::u32(pointer);
                *values.next().ok_or_else(many)? = ValRaw::u32(length);
                Ok(())
            }
            Self::Memory(offset) => {
                pointer.linear_lower_to_memory(cx, InterfaceType::U32, offset)?;
                length.linear_lower_to_memory(cx, InterfaceType::U32, offset + 4)
            }
        }
    }

    /// Which case a variant has.
    fn case<T>(
        &mut self,
        cx: &mut LowerContext<'_, T>,
        info: &VariantInfo,
        case: u32,
    ) -> Result<()> {
        match self {
            Self::Flat(values) => {
                *values.next().ok_or_else(many)? = ValRaw::u32(case);
                Ok(())
            }
            Self::Memory(offset) => match usize::from(info.size) {
                1 => u8::try_from(case)?.linear_lower_to_memory(cx, InterfaceType::U8, *offset),
                2 => u16::try_from(case)?.linear_lower_to_memory(cx, InterfaceType::U16, *offset),
                _ => case.linear_lower_to_memory(cx, InterfaceType::U32, *offset),
            },
        }
    }

    /// Core values that were not written yet.
    fn left(&self) -> usize {
        match self {
            Self::Flat(values) => values.len(),
            Self::Memory(_) => 0,
        }
    }

    /// Passes the core values that only larger cases use; `before` were left when the variant began.
    fn skip(self, before: usize, total: usize) -> Result<()> {
        if let Self::Flat(values) = self {
            for _ in (before - values.len())..total {
                values.next().ok_or_else(many)?;
            }
        }
        Ok(())
    }
}

/// All members of a tuple, which is what parameters and results are too.
pub(super) fn members<T>(
    cx: &mut LowerContext<'_, T>,
    tuple: &TypeTuple,
    values: &[Value],
    mut target: Target<'_, '_>,
) -> Result<()> {
    if values.len() != tuple.types.len() {
        bail!(
            "expected {} values, found {}",
            tuple.types.len(),
            values.len()
        );
    }
    let (types, mut offset) = (cx.types, 0);
    for (ty, item) in tuple.types.iter().zip(values) {
        let part = target.part(types.canonical_abi(ty), &mut offset)?;
        value(cx, *ty, item, part)?;
    }
    Ok(())
}

fn value<T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    value: &Value,
    target: Target<'_, '_>,
) -> Result<()> {
    use InterfaceType as Type;
    match (ty, value) {
        (Type::Bool, Value::Bool(value)) => target.one(cx, ty, value),
        (Type::S8, Value::S8(value)) => target.one(cx, ty, value),
        (Type::U8, Value::U8(value)) => target.one(cx, ty, value),
        (Type::S16, Value::S16(value)) => target.one(cx, ty, value),
        (Type::U16, Value::U16(value)) => target.one(cx, ty, value),
        (Type::S32, Value::S32(value)) => target.one(cx, ty, value),
        (Type::U32, Value::U32(value)) => target.one(cx, ty, value),
        (Type::S64, Value::S64(value)) => target.one(cx, ty, value),
        (Type::U64, Value::U64(value)) => target.one(cx, ty, value),
        (Type::Float32, Value::F32(value)) => target.one(cx, ty, value),
        (Type::Float64, Value::F64(value)) => target.one(cx, ty, value),
        (Type::Char, Value::Char(value)) => target.one(cx, ty, value),
        (Type::String, Value::String(value)) => target.two(cx, ty, value.as_str()),
        (Type::List(index), value) => {
            let element = cx.types[index].element;
            list(cx, ty, element, value, target)
        }
        (Type::Own(_) | Type::Borrow(_), Value::Resource(handle)) => target.one(cx, ty, handle),
        (Type::Stream(_), Value::Stream(stream)) => target.one(cx, ty, stream),
        (Type::Future(_), Value::Future(future)) => target.one(cx, ty, future),
        (ty, value) => compound(cx, ty, value, target),
    }
}

fn compound<T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    value: &Value,
    target: Target<'_, '_>,
) -> Result<()> {
    use InterfaceType as Type;
    let types = cx.types;
    match (ty, value) {
        (Type::Record(index), Value::Record(values)) => fields(cx, index, values, target),
        (Type::Tuple(index), Value::Tuple(values)) => members(cx, &types[index], values, target),
        (Type::Variant(index), Value::Variant { case, payload }) => {
            let info = &types[index];
            let ty = info.cases.get_index(usize::try_from(*case)?);
            let Some((_, ty)) = ty else {
                bail!("the type has no case {case}");
            };
            let chosen = Chosen::new(*case, *ty, payload.as_deref())?;
            chosen.lower(cx, &info.info, &info.abi, target)
        }
        (Type::Enum(index), Value::Enum(case)) => {
            let info = &types[index];
            if usize::try_from(*case)? >= info.names.len() {
                bail!("the type has no case {case}");
            }
            Chosen::new(*case, None, None)?.lower(cx, &info.info, &info.abi, target)
        }
        (Type::Option(index), Value::Option(some)) => {
            let info = &types[index];
            let ty = some.as_ref().map(|_| info.ty);
            let chosen = Chosen::new(u32::from(some.is_some()), ty, some.as_deref())?;
            chosen.lower(cx, &info.info, &info.abi, target)
        }
        (Type::Result(index), Value::Result(result)) => {
            let info = &types[index];
            let chosen = match result {
                Ok(value) => Chosen::new(0, info.ok, value.as_deref())?,
                Err(value) => Chosen::new(1, info.err, value.as_deref())?,
            };
            chosen.lower(cx, &info.info, &info.abi, target)
        }
        (Type::Flags(index), Value::Flags(bits)) => {
            let count = types[index].names.len();
            flags(cx, count, *bits, target)
        }
        (_, value) => bail!("a value of kind {} does not fit its type", value.kind()),
    }
}

fn fields<T>(
    cx: &mut LowerContext<'_, T>,
    index: TypeRecordIndex,
    values: &[Value],
    mut target: Target<'_, '_>,
) -> Result<()> {
    let (types, mut offset) = (cx.types, 0);
    let fields = &types[index].fields;
    if values.len() != fields.len() {
        bail!("a record has {} fields, not {}", fields.len(), values.len());
    }
    for (field, item) in fields.iter().zip(values) {
        let part = target.part(types.canonical_abi(&field.ty), &mut offset)?;
        value(cx, field.ty, item, part)?;
    }
    Ok(())
}

/// One case of a variant, an enum, an option or a result.
struct Chosen<'a> {
    case: u32,
    payload: Option<(InterfaceType, &'a Value)>,
}

impl<'a> Chosen<'a> {
    fn new(case: u32, ty: Option<InterfaceType>, value: Option<&'a Value>) -> Result<Self> {
        let payload = match (ty, value) {
            (Some(ty), Some(value)) => Some((ty, value)),
            (None, None) => None,
            (Some(_), None) => bail!("case {case} carries a value, and there is none"),
            (None, Some(_)) => bail!("case {case} carries no value, and there is one"),
        };
        Ok(Self { case, payload })
    }

    fn lower<T>(
        self,
        cx: &mut LowerContext<'_, T>,
        info: &VariantInfo,
        abi: &CanonicalAbiInfo,
        mut target: Target<'_, '_>,
    ) -> Result<()> {
        let before = target.left();
        target.case(cx, info, self.case)?;
        if let Some((ty, payload)) = self.payload {
            let (types, mut offset) = (cx.types, info.payload_offset32);
            let part = target.part(types.canonical_abi(&ty), &mut offset)?;
            value(cx, ty, payload, part)?;
        }
        target.skip(before, usize::from(abi.flat_count.unwrap_or(0)))
    }
}

fn flags<T>(
    cx: &mut LowerContext<'_, T>,
    count: usize,
    bits: u32,
    target: Target<'_, '_>,
) -> Result<()> {
    match (count, &target) {
        (0, _) => Ok(()),
        (1..=8, Target::Memory(_)) => target.one(cx, InterfaceType::U8, &u8::try_from(bits)?),
        (9..=16, Target::Memory(_)) => target.one(cx, InterfaceType::U16, &u16::try_from(bits)?),
        (..=32, _) => target.one(cx, InterfaceType::U32, &bits),
        _ => bail!("flags of more than 32 cannot be passed"),
    }
}

fn list<T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    element: InterfaceType,
    value: &Value,
    target: Target<'_, '_>,
) -> Result<()> {
    use InterfaceType as Type;
    match (element, value) {
        (Type::U8, Value::Bytes(bytes)) => target.two::<[u8], T>(cx, ty, bytes),
        (_, Value::List(values)) => items(cx, element, values, target),
        (_, Value::Numbers(numbers)) => match (element, numbers) {
            (Type::S8, Numbers::S8(list)) => target.two(cx, ty, list.as_slice()),
            (Type::S16, Numbers::S16(list)) => target.two(cx, ty, list.as_slice()),
            (Type::U16, Numbers::U16(list)) => target.two(cx, ty, list.as_slice()),
            (Type::S32, Numbers::S32(list)) => target.two(cx, ty, list.as_slice()),
            (Type::U32, Numbers::U32(list)) => target.two(cx, ty, list.as_slice()),
            (Type::S64, Numbers::S64(list)) => target.two(cx, ty, list.as_slice()),
            (Type::U64, Numbers::U64(list)) => target.two(cx, ty, list.as_slice()),
            (Type::Float32, Numbers::F32(list)) => target.two(cx, ty, list.as_slice()),
            (Type::Float64, Numbers::F64(list)) => target.two(cx, ty, list.as_slice()),
            _ => bail!("a {} does not fit its type", value.kind()),
        },
        (_, value) => bail!("a {} does not fit its type, a list", value.kind()),
    }
}

fn items<T>(
    cx: &mut LowerContext<'_, T>,
    element: InterfaceType,
    values: &[Value],
    target: Target<'_, '_>,
) -> Result<()> {
    let types = cx.types;
    let abi = types.canonical_abi(&element);
    let size = usize::try_from(abi.size32)?;
    let Some(whole) = values.len().checked_mul(size) else {
        bail!("a list of {} items is too long", values.len());
    };
    let pointer = cx.realloc(0, 0, abi.align32, whole)?;
    let mut offset = pointer;
    for item in values {
        value(cx, element, item, Target::Memory(offset))?;
        offset += size;
    }
    target.range(cx, pointer, values.len())
}

/// Room in the guest's memory for what a call passes there.
pub(super) fn room<T>(cx: &mut LowerContext<'_, T>, abi: &CanonicalAbiInfo) -> Result<usize> {
    cx.realloc(0, 0, abi.align32, usize::try_from(abi.size32)?)
}
