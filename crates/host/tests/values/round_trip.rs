//! Values of any type reach a guest and come back as they were.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::Union;
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store};
use wisp_host::value::{self, Numbers, Signature, Type, Value};
use wit_component::StringEncoding;

use super::support::{echo, engine, function, import};

fn scalars() -> impl Strategy<Value = Type> {
    prop_oneof![
        Just(Type::Bool),
        Just(Type::S8),
        Just(Type::U8),
        Just(Type::S16),
        Just(Type::U16),
        Just(Type::S32),
        Just(Type::U32),
        Just(Type::S64),
        Just(Type::U64),
        Just(Type::F32),
        Just(Type::F64),
        Just(Type::Char),
        Just(Type::String),
    ]
}

fn names(letter: char, count: usize) -> Box<[Box<str>]> {
    (0..count)
        .map(|index| format!("{letter}{index}").into())
        .collect()
}

pub(crate) fn types() -> impl Strategy<Value = Type> {
    let leaves = prop_oneof![
        4 => scalars(),
        1 => (1..40_usize).prop_map(|count| Type::Enum(names('e', count))),
        1 => (1..33_usize).prop_map(|count| Type::Flags(names('f', count))),
        1 => Just(Type::Enum(names('e', 300))),
    ];
    leaves.prop_recursive(4, 24, 5, |part| {
        let maybe = proptest::option::of(part.clone().prop_map(Box::new));
        prop_oneof![
            part.clone().prop_map(|ty| Type::List(ty.into())),
            part.clone().prop_map(|ty| Type::Option(ty.into())),
            (maybe.clone(), maybe).prop_map(|(ok, err)| Type::Result(ok, err)),
            vec(part.clone(), 1..6).prop_map(|parts| Type::Tuple(parts.into())),
            vec(part.clone(), 1..9).prop_map(|parts| {
                let names = names('r', parts.len()).into_vec();
                Type::Record(names.into_iter().zip(parts).collect())
            }),
            vec(proptest::option::of(part), 1..6).prop_map(|parts| {
                let names = names('c', parts.len()).into_vec();
                Type::Variant(names.into_iter().zip(parts).collect())
            }),
        ]
    })
}

fn payload(ty: Option<&Type>) -> BoxedStrategy<Option<Box<Value>>> {
    match ty {
        None => Just(None).boxed(),
        Some(ty) => values(ty).prop_map(|value| Some(Box::new(value))).boxed(),
    }
}

fn lists(element: &Type) -> BoxedStrategy<Value> {
    macro_rules! numbers {
        ($($case:ident: $number:ty),*) => {
            match element {
                Type::U8 => vec(any::<u8>(), 0..50).prop_map(|list| Value::Bytes(Bytes::from(list))).boxed(),
                $(Type::$case => vec(<$number as Number>::any(), 0..20)
                    .prop_map(|list| Value::Numbers(Numbers::$case(list))).boxed(),)*
                other => vec(values(other), 0..4).prop_map(Value::List).boxed(),
            }
        };
    }
    numbers!(S8: i8, S16: i16, U16: u16, S32: i32, U32: u32, S64: i64, U64: u64, F32: f32, F64: f64)
}

/// Any number that is equal to itself.
trait Number: Sized {
    fn any() -> BoxedStrategy<Self>;
}

macro_rules! number {
    ($($ty:ty = $strategy:expr),*) => {
        $(impl Number for $ty {
            fn any() -> BoxedStrategy<Self> {
                $strategy.boxed()
            }
        })*
    };
}

number!(
    i8 = any::<i8>(),
    i16 = any::<i16>(),
    u16 = any::<u16>(),
    i32 = any::<i32>(),
    u32 = any::<u32>(),
    i64 = any::<i64>(),
    u64 = any::<u64>(),
    f32 = proptest::num::f32::ANY.prop_filter("a NaN", |number| !number.is_nan()),
    f64 = proptest::num::f64::ANY.prop_filter("a NaN", |number| !number.is_nan())
);

pub(crate) fn values(ty: &Type) -> BoxedStrategy<Value> {
    let count = |length: usize| u32::try_from(length).unwrap();
    match ty {
        Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::S8 => any::<i8>().prop_map(Value::S8).boxed(),
        Type::U8 => any::<u8>().prop_map(Value::U8).boxed(),
        Type::S16 => any::<i16>().prop_map(Value::S16).boxed(),
        Type::U16 => any::<u16>().prop_map(Value::U16).boxed(),
        Type::S32 => any::<i32>().prop_map(Value::S32).boxed(),
        Type::U32 => any::<u32>().prop_map(Value::U32).boxed(),
        Type::S64 => any::<i64>().prop_map(Value::S64).boxed(),
        Type::U64 => any::<u64>().prop_map(Value::U64).boxed(),
        Type::F32 => f32::any().prop_map(Value::F32).boxed(),
        Type::F64 => f64::any().prop_map(Value::F64).boxed(),
        Type::Char => any::<char>().prop_map(Value::Char).boxed(),
        Type::String => any::<String>().prop_map(Value::String).boxed(),
        Type::List(element) => lists(element),
        Type::Record(fields) => {
            let fields: Vec<_> = fields.iter().map(|(_, ty)| values(ty)).collect();
            fields.prop_map(Value::Record).boxed()
        }
        Type::Tuple(members) => {
            let members: Vec<_> = members.iter().map(values).collect();
            members.prop_map(Value::Tuple).boxed()
        }
        Type::Variant(cases) => Union::new((0..).zip(cases).map(|(case, (_, ty))| {
            payload(ty.as_ref()).prop_map(move |payload| Value::Variant { case, payload })
        }))
        .boxed(),
        Type::Enum(names) => (0..count(names.len())).prop_map(Value::Enum).boxed(),
        Type::Flags(names) => {
            let most = u32::MAX >> (32 - names.len());
            (0..=most).prop_map(Value::Flags).boxed()
        }
        Type::Option(some) => prop_oneof![Just(None).boxed(), payload(Some(some))]
            .prop_map(Value::Option)
            .boxed(),
        Type::Result(ok, err) => prop_oneof![
            payload(ok.as_deref()).prop_map(|value| Value::Result(Ok(value))),
            payload(err.as_deref()).prop_map(|value| Value::Result(Err(value))),
        ]
        .boxed(),
        other => panic!("no values of {other}"),
    }
}

fn encodings() -> impl Strategy<Value = StringEncoding> {
    prop_oneof![
        Just(StringEncoding::UTF8),
        Just(StringEncoding::UTF16),
        Just(StringEncoding::CompactUTF16),
    ]
}

struct Call {
    ty: Type,
    encoding: StringEncoding,
    value: Value,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{:?} in {:?} of {}",
            self.value, self.ty, self.encoding
        )
    }
}

fn calls() -> impl Strategy<Value = Call> {
    (types(), encodings()).prop_flat_map(|(ty, encoding)| {
        values(&ty).prop_map(move |value| Call {
            ty: ty.clone(),
            encoding,
            value,
        })
    })
}

/// Calls a guest's `echo`, whose import gives back the first of its arguments; checks that all that arrive are those that
/// were sent.
async fn call_echo(engine: &Engine, wasm: &[u8], arguments: Vec<Value>) -> Option<Value> {
    let component = Component::new(engine, wasm).unwrap();
    let mut linker = Linker::new(engine);
    let expected = arguments.clone();
    let imported = Signature::of(&import(&component, "test:echo/echo", "echo"));
    let mut instance = linker.instance("test:echo/echo").unwrap();
    value::define(&mut instance, "echo", &imported, move |_, received| {
        assert_eq!(received, expected);
        Box::pin(async move { Ok(received.into_iter().next()) })
    })
    .unwrap();
    let mut store = Store::new(engine, ());
    let instance = linker
        .instantiate_async(&mut store, &component)
        .await
        .unwrap();
    let echo = function(&mut store, &instance, "test:echo/echo", "echo");
    let signature = Signature::of(&echo.ty(&store));
    assert_eq!(signature, imported);
    value::call(&mut store, &echo, &signature, arguments)
        .await
        .unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_value_of_any_type_comes_back_as_it_was_sent(call in calls()) {
        let wasm = echo(std::slice::from_ref(&call.ty), Some(&call.ty), call.encoding);

        for concurrent in [false, true] {
            let result = runtime().block_on(call_echo(&engine(concurrent), &wasm, vec![call.value.clone()]));

            prop_assert_eq!(result.as_ref(), Some(&call.value));
        }
    }

    #[test]
    fn any_number_of_parameters_arrives(calls in vec(calls(), 1..7)) {
        let types: Vec<Type> = calls.iter().map(|call| call.ty.clone()).collect();
        let wasm = echo(&types, types.first(), StringEncoding::UTF8);
        let arguments: Vec<Value> = calls.into_iter().map(|call| call.value).collect();

        for concurrent in [false, true] {
            let result = runtime().block_on(call_echo(&engine(concurrent), &wasm, arguments.clone()));

            prop_assert_eq!(result.as_ref(), arguments.first());
        }
    }
}

#[tokio::test]
async fn seventeen_numbers_are_passed_in_memory() {
    let wasm = echo(&vec![Type::U64; 17], Some(&Type::U64), StringEncoding::UTF8);

    for concurrent in [false, true] {
        let arguments = (0..17).map(Value::U64).collect();
        let result = call_echo(&engine(concurrent), &wasm, arguments).await;

        assert_eq!(result, Some(Value::U64(0)));
    }
}

#[tokio::test]
async fn a_function_may_have_no_parameters_and_no_result() {
    let wasm = echo(&[], None, StringEncoding::UTF8);

    for concurrent in [false, true] {
        assert_eq!(call_echo(&engine(concurrent), &wasm, vec![]).await, None);
    }
}

#[tokio::test]
async fn a_list_of_numbers_may_be_given_as_single_values() {
    let ty = Type::List(Box::new(Type::U8));
    let component = echo(std::slice::from_ref(&ty), Some(&ty), StringEncoding::UTF8);
    let engine = engine(false);
    let component = Component::new(&engine, component).unwrap();
    let mut linker = Linker::new(&engine);
    let signature = Signature::of(&import(&component, "test:echo/echo", "echo"));
    let mut interface = linker.instance("test:echo/echo").unwrap();
    value::define(&mut interface, "echo", &signature, |_, received| {
        Box::pin(async move { Ok(received.into_iter().next()) })
    })
    .unwrap();
    let mut store = Store::new(&engine, ());
    let instance = linker
        .instantiate_async(&mut store, &component)
        .await
        .unwrap();
    let echo = function(&mut store, &instance, "test:echo/echo", "echo");

    let argument = Value::List(vec![Value::U8(1), Value::U8(2)]);
    let result = value::call(&mut store, &echo, &signature, vec![argument])
        .await
        .unwrap();

    assert_eq!(result, Some(Value::Bytes(Bytes::from_static(&[1, 2]))));
}
