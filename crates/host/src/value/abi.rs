//! The types that Wasmtime takes for types known at compile time. The only unsafe code of this module.
//!
//! Wasmtime's `ComponentType`, `Lower` and `Lift` are unsafe to implement: what they say about layout is believed. What we
//! say is so little that it can be true for any function:
//!
//! - [`Arguments`] go to an export. As core values they are 16 (more than any call passes so), of which the export reads
//!   as many as it has. Where the parameters are more than that, the canonical ABI passes one pointer, and writing
//!   that is ours too ([`Lower::linear_lower_to_flat`]), so Wasmtime never needs a size in memory from us.
//! - [`Outcome`] comes from an export: exactly `N` core values, the number that the export gives: for an export lifted
//!   synchronously none or one, which may be a pointer; for one lifted asynchronously up to 16.
//! - [`Received`] comes from an import's caller: exactly `N` core values, or memory when they are more than 16 (or more
//!   than 4 and the import was lowered asynchronously).
//! - [`Answered`] goes to an import's caller: none or one core value, or memory.
//!
//! Each checks `N` against the component's own type when Wasmtime asks whether the types agree (`typecheck`), before
//! anything is called. Memory is only reached through Wasmtime's checked slices; that our size in memory is said to be
//! zero means that Wasmtime hands us an empty slice at the right place, from whose address we go on, checked.
//!
//! This leans on what Wasmtime calls internal (`component::__internal`), which patch releases do not change; another major
//! version is a reason to read `func/typed.rs` again.

use std::mem::MaybeUninit;

use wasmtime::component::__internal::wasmtime_environ::component::{
    CanonicalAbiInfo, InterfaceType, TypeTupleIndex,
};
use wasmtime::component::__internal::{InstanceType, LiftContext, LowerContext};
use wasmtime::component::{ComponentNamedList, ComponentType, Lift, Lower};
use wasmtime::{Result, ValRaw, bail, format_err};

use super::lift::{self, Source};
use super::lower::{self, Target};
use super::signature::MOST_FLAT;
use super::{Signature, Value};

/// Nothing is known about the size in memory, and nothing is asked: see the theory above.
const NOWHERE: CanonicalAbiInfo = CanonicalAbiInfo {
    size32: 0,
    align32: 1,
    size64: 0,
    align64: 1,
    flat_count: None,
};

/// What an export is called with.
pub(super) struct Arguments {
    pub(super) values: Vec<Value>,
    /// Core values that the result takes when the export was lifted asynchronously, where that differs from what it takes
    /// otherwise; [`Outcome`] was chosen for it.
    pub(super) asynchronous: bool,
}

/// What an export gave.
pub(super) struct Outcome<const N: usize>(pub(super) Option<Value>);

/// What an import was called with.
pub(super) struct Received<const N: usize>(pub(super) Vec<Value>);

/// What an import's caller gets.
pub(super) struct Answered<const N: usize>(pub(super) Option<Value>);

fn tuple(ty: InterfaceType) -> Result<TypeTupleIndex> {
    match ty {
        InterfaceType::Tuple(index) => Ok(index),
        _ => bail!("a list of parameters or results is expected"),
    }
}

fn differs() -> wasmtime::Error {
    format_err!("the function is not of the type that the call was made for")
}

/// Whether values of the tuple `ty` are `count` core values, or are in memory.
fn check_count(
    ty: InterfaceType,
    types: &InstanceType<'_>,
    count: usize,
    most: usize,
) -> Result<()> {
    match types.types[tuple(ty)?].abi.flat_count(most) {
        Some(flat) if flat != count => Err(differs()),
        _ => Ok(()),
    }
}

/// The core values that a value is lowered to.
#[expect(
    unsafe_code,
    reason = "Wasmtime fills memory that has no value yet; see SAFETY"
)]
pub(super) fn lowered<V, T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    value: &V,
) -> Result<V::Lower>
where
    V: Lower + ?Sized,
{
    let mut raw = MaybeUninit::uninit();
    value.linear_lower_to_flat(cx, ty, &mut raw)?;
    // SAFETY: the contract of `Lower::linear_lower_to_flat` is that all of it is written when there was no error. It is
    // called with Wasmtime's own implementations for numbers, strings, lists and handles only.
    Ok(unsafe { raw.assume_init() })
}

/// Values that stand where an empty slice of the guest's memory begins.
fn lift_at(cx: &mut LiftContext<'_>, ty: InterfaceType, place: &[u8]) -> Result<Vec<Value>> {
    let offset = place
        .as_ptr()
        .addr()
        .checked_sub(cx.memory().as_ptr().addr());
    lift_memory(cx, ty, offset.ok_or_else(differs)?)
}

fn lift_memory(cx: &mut LiftContext<'_>, ty: InterfaceType, offset: usize) -> Result<Vec<Value>> {
    let types = cx.types;
    let tuple = &types[tuple(ty)?];
    if !offset.is_multiple_of(usize::try_from(tuple.abi.align32)?) {
        bail!("pointer not aligned");
    }
    let bytes = cx
        .memory()
        .get(offset..)
        .and_then(|rest| rest.get(..usize::try_from(tuple.abi.size32).ok()?));
    let Some(bytes) = bytes else {
        bail!("pointer out of bounds of memory");
    };
    lift::members(cx, tuple, Source::Memory(bytes))
}

fn lift_flat(cx: &mut LiftContext<'_>, ty: InterfaceType, raw: &[ValRaw]) -> Result<Vec<Value>> {
    let types = cx.types;
    lift::members(cx, &types[tuple(ty)?], Source::Flat(&mut raw.iter()))
}

macro_rules! component_type {
    ($name:ident<$($count:ident)?>, $values:expr, |$ty:ident, $types:ident| $check:expr) => {
        #[expect(unsafe_code, reason = "the way to teach Wasmtime a type; see SAFETY")]
        // SAFETY: `Lower` is an array of `ValRaw`, and `typecheck` accepts only functions for which its length is right.
        // The size in memory is used for slices and is less than the truth, never more.
        unsafe impl $(<const $count: usize>)? ComponentType for $name$(<$count>)? {
            type Lower = [ValRaw; $values];
            const ABI: CanonicalAbiInfo = NOWHERE;
            fn typecheck($ty: &InterfaceType, $types: &InstanceType<'_>) -> Result<()> {
                $check
            }
        }
        #[expect(unsafe_code, reason = "says that the type is a list of parameters or results")]
        // SAFETY: `typecheck` above looks at the whole list.
        unsafe impl $(<const $count: usize>)? ComponentNamedList for $name$(<$count>)? {}
    };
}

component_type! { Arguments<>, MOST_FLAT, |ty, _types| {
    // Fewer core values than there is room for are as good; more are passed in memory.
    tuple(*ty).map(|_| ())
} }
// How many core values there are depends on how the export was lifted too, which is looked at when it is called.
component_type! { Outcome<N>, N, |ty, types| check_count(*ty, types, N, N.max(1)) }
component_type! { Received<N>, N, |ty, types| check_count(*ty, types, N, MOST_FLAT) }
component_type! { Answered<N>, N, |ty, types| check_count(*ty, types, N, 1) }

impl Arguments {
    fn flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
    ) -> Result<[ValRaw; MOST_FLAT]> {
        if self.asynchronous && !cx.options().async_ {
            bail!(
                "async functions with such a result can be called only if they are lifted as async"
            );
        }
        let mut raw = [ValRaw::u64(0); MOST_FLAT];
        let tuple = &cx.types[tuple(ty)?];
        if tuple.abi.flat_count(MOST_FLAT).is_some() {
            let mut slots = raw.iter_mut();
            lower::members(cx, tuple, &self.values, Target::Flat(&mut slots))?;
        } else {
            let pointer = lower::room(cx, &tuple.abi)?;
            lower::members(cx, tuple, &self.values, Target::Memory(pointer))?;
            if let Some(first) = raw.first_mut() {
                *first = ValRaw::i64(i64::try_from(pointer)?);
            }
        }
        Ok(raw)
    }
}

#[expect(unsafe_code, reason = "the way to teach Wasmtime a type; see SAFETY")]
// SAFETY: all core values are written, with zero where the values leave some; memory is written through Wasmtime's checked
// slices, in room that the guest's own allocator gave and Wasmtime checked to be in bounds.
unsafe impl Lower for Arguments {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        dst: &mut MaybeUninit<Self::Lower>,
    ) -> Result<()> {
        dst.write(self.flat(cx, ty)?);
        Ok(())
    }

    fn linear_lower_to_memory<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        offset: usize,
    ) -> Result<()> {
        let tuple = &cx.types[tuple(ty)?];
        lower::members(cx, tuple, &self.values, Target::Memory(offset))
    }
}

#[expect(unsafe_code, reason = "the way to teach Wasmtime a type; see SAFETY")]
// SAFETY: all core values are written. For a result in memory Wasmtime has checked that the guest's pointer has room for
// the real type, not for ours; and slices are checked again.
unsafe impl<const N: usize> Lower for Answered<N> {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        dst: &mut MaybeUninit<Self::Lower>,
    ) -> Result<()> {
        let mut raw = [ValRaw::u64(0); N];
        let tuple = &cx.types[tuple(ty)?];
        let mut slots = raw.iter_mut();
        lower::members(cx, tuple, self.0.as_slice(), Target::Flat(&mut slots))?;
        dst.write(raw);
        Ok(())
    }

    fn linear_lower_to_memory<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        offset: usize,
    ) -> Result<()> {
        let tuple = &cx.types[tuple(ty)?];
        lower::members(cx, tuple, self.0.as_slice(), Target::Memory(offset))
    }
}

#[expect(unsafe_code, reason = "the way to teach Wasmtime a type; see SAFETY")]
// SAFETY: only the core values that were given are read, and memory only through checked slices.
unsafe impl<const N: usize> Lift for Outcome<N> {
    fn linear_lift_from_flat(
        cx: &mut LiftContext<'_>,
        ty: InterfaceType,
        src: &Self::Lower,
    ) -> Result<Self> {
        let most = if cx.options().async_ { MOST_FLAT } else { 1 };
        let flat = cx.types[tuple(ty)?].abi.flat_count(most);
        let mut values = match (flat, src.first()) {
            (Some(count), _) if count == N => lift_flat(cx, ty, src)?,
            (None, Some(pointer)) => lift_memory(cx, ty, usize::try_from(pointer.get_u32())?)?,
            _ => return Err(differs()),
        };
        Ok(Self(values.pop()))
    }

    fn linear_lift_from_memory(
        cx: &mut LiftContext<'_>,
        ty: InterfaceType,
        bytes: &[u8],
    ) -> Result<Self> {
        Ok(Self(lift_at(cx, ty, bytes)?.pop()))
    }
}

#[expect(unsafe_code, reason = "the way to teach Wasmtime a type; see SAFETY")]
// SAFETY: only the core values that were given are read, and memory only through checked slices.
unsafe impl<const N: usize> Lift for Received<N> {
    fn linear_lift_from_flat(
        cx: &mut LiftContext<'_>,
        ty: InterfaceType,
        src: &Self::Lower,
    ) -> Result<Self> {
        lift_flat(cx, ty, src).map(Self)
    }

    fn linear_lift_from_memory(
        cx: &mut LiftContext<'_>,
        ty: InterfaceType,
        bytes: &[u8],
    ) -> Result<Self> {
        lift_at(cx, ty, bytes).map(Self)
    }
}

/// Does `$body` with the constant `$count` that the number `$number` is, from 0 to 16.
macro_rules! with_count {
    ($number:expr, $count:ident => $body:expr) => {
        with_count!(@ $number, $count, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
    };
    (@ $number:expr, $count:ident, $body:expr, $($each:literal)*) => {
        match $number {
            $($each => { const $count: usize = $each; $body })*
            other => Err(wasmtime::format_err!("a call cannot pass {other} core values")),
        }
    };
}
pub(super) use with_count;

/// Core values that [`Outcome`] is for a function with this signature.
pub(super) fn outcome_count(signature: &Signature) -> usize {
    let most = if signature.asynchronous() {
        MOST_FLAT
    } else {
        1
    };
    signature.flat_result(most).unwrap_or(1)
}
