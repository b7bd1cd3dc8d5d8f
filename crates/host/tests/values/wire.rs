//! Values on their way to another host come out as they went in, and bytes of a stranger are values or an error.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use wisp_host::value::{self, MOST_MEMORY, Type, Value, WireError};

use super::round_trip::{types, values};

fn written(ty: &Type, value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    value::encode(ty, value, &mut bytes).unwrap();
    bytes
}

fn read(ty: &Type, bytes: Vec<u8>) -> Result<Vec<Value>, WireError> {
    value::decode(std::iter::once(ty), bytes.into())
}

fn typed_values() -> impl Strategy<Value = (Type, Value)> {
    types().prop_flat_map(|ty| values(&ty).prop_map(move |value| (ty.clone(), value)))
}

proptest! {
    #[test]
    fn a_value_of_any_type_is_read_as_it_was_written((ty, value) in typed_values()) {
        let bytes = written(&ty, &value);

        prop_assert_eq!(read(&ty, bytes), Ok(vec![value]));
    }

    #[test]
    fn several_values_stand_one_after_another(all in vec(typed_values(), 0..5)) {
        let bytes: Vec<u8> = all.iter().flat_map(|(ty, value)| written(ty, value)).collect();
        let (types, values): (Vec<_>, Vec<_>) = all.into_iter().unzip();

        prop_assert_eq!(value::decode(types.iter(), bytes.into()), Ok(values));
    }

    #[test]
    fn what_is_cut_off_or_goes_on_is_an_error((ty, value) in typed_values(), at in any::<prop::sample::Index>()) {
        let bytes = written(&ty, &value);
        let mut longer = bytes.clone();
        longer.push(0);
        let shorter = bytes[..at.index(bytes.len())].to_vec();

        prop_assert_eq!(read(&ty, longer), Err(WireError::Rest(1)));
        prop_assert!(read(&ty, shorter).is_err());
    }

    #[test]
    fn bytes_of_a_stranger_are_a_value_of_the_type_or_an_error(ty in types(), bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(values) = read(&ty, bytes.clone()) {
            // Numbers that are no number are equal to nothing, but are written the same.
            prop_assert_eq!(written(&ty, &values[0]), bytes);
        }
    }

    #[test]
    fn a_value_with_any_byte_changed_is_a_value_of_the_type_or_an_error(
        (ty, value) in typed_values(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = written(&ty, &value);
        let at = at.index(bytes.len());
        bytes[at] = byte;

        if let Ok(values) = read(&ty, bytes.clone()) {
            prop_assert_eq!(written(&ty, &values[0]), bytes);
        }
    }
}

#[test]
fn lengths_that_nothing_stands_behind_take_no_memory() {
    let claims = u32::MAX.to_le_bytes().to_vec();
    for element in [Type::U8, Type::U64, Type::String, Type::Bool] {
        let list = Type::List(Box::new(element));

        assert_eq!(read(&list, claims.clone()), Err(WireError::Short));
    }
    assert_eq!(read(&Type::String, claims), Err(WireError::Short));
}

#[test]
fn values_take_no_more_memory_than_a_guest_may_pass() {
    let list = Type::List(Box::new(Type::Bool));
    let count = MOST_MEMORY / size_of::<Value>();
    let bytes = |count: usize| {
        let mut bytes = u32::try_from(count).unwrap().to_le_bytes().to_vec();
        bytes.resize(4 + count, 0);
        bytes
    };

    assert!(read(&list, bytes(count - 1)).is_ok());
    assert_eq!(read(&list, bytes(count + 1)), Err(WireError::Large));
}

#[test]
fn bytes_are_not_copied() {
    let sent = Bytes::from(written(
        &Type::List(Box::new(Type::U8)),
        &Value::Bytes(Bytes::from(vec![7; 100])),
    ));
    let place = sent[4..].as_ptr();

    let values = value::decode(std::iter::once(&Type::List(Box::new(Type::U8))), sent).unwrap();

    let Value::Bytes(bytes) = &values[0] else {
        panic!("{values:?}");
    };
    assert_eq!(bytes.as_ptr(), place);
}

#[test]
fn a_stream_is_one_byte_and_what_stands_for_it_fits_no_type() {
    let stream = Type::Stream(Some(Box::new(Type::U8)));

    let bytes = written(&stream, &Value::Tuple(Vec::new()));

    assert_eq!(bytes, [0xff]);
    assert_eq!(read(&stream, bytes), Ok(vec![Value::Tuple(Vec::new())]));
    assert_eq!(read(&stream, vec![0]), Err(WireError::Wrong(0, "stream")));
}

#[test]
fn a_value_of_another_type_is_not_written() {
    let mut bytes = Vec::new();

    let error = value::encode(&Type::U8, &Value::Bool(true), &mut bytes).unwrap_err();

    assert_eq!(
        error.to_string(),
        "a bool cannot be sent where a `u8` is expected"
    );
}
