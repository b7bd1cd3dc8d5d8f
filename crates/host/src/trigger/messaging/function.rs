//! The function of a component that takes messages, and what it is given.

use wasmtime::component::types::ComponentItem;

use crate::capability::{Delivered, Message};
use crate::error::HostError;
use crate::link::{Callee, Exported};
use crate::pool::Pool;
use crate::telemetry::RequestId;
use crate::value::{Signature, Type, Value};

const CONSUMER: &str = "wisp:messaging/consumer@0.1.0";
const TAKE: &str = "take";

/// The function of a component, or what is wrong with it.
pub(super) fn find(pool: &Pool) -> Result<Exported, HostError> {
    let wrong = |message| HostError::Component {
        component: pool.component().to_owned(),
        message,
    };
    let found = pool.code().and_then(|code| {
        let interface = code.get_export_index(None, CONSUMER)?;
        code.get_export(Some(&interface), TAKE)
    });
    let Some((ComponentItem::ComponentFunc(function), index)) = found else {
        let message = format!("[[messaging]] names it, and it does not export {CONSUMER}");
        return Err(wrong(message));
    };
    let signature = Signature::of(&function);
    if !fits(&signature) {
        let message =
            format!("[[messaging]] names it, and its {CONSUMER} has another form: {signature}");
        return Err(wrong(message));
    }
    Ok(Exported { index, signature })
}

fn record<const N: usize>(fields: [(&str, Type); N]) -> Type {
    Type::Record(fields.map(|(name, ty)| (name.into(), ty)).into())
}

fn fits(signature: &Signature) -> bool {
    let header = Type::Tuple([Type::String, Type::String].into());
    let message = record([
        ("body", Type::List(Box::new(Type::U8))),
        ("content-type", Type::Option(Box::new(Type::String))),
        ("headers", Type::List(Box::new(header))),
    ]);
    let delivery = record([
        ("subject", Type::String),
        ("sequence", Type::U64),
        ("attempt", Type::U32),
        ("published", Type::U64),
        ("id", Type::String),
    ]);
    let result = Type::Result(None, Some(Box::new(Type::String)));
    let parameters = signature.parameters().iter().map(|(_, ty)| ty);
    !signature.asynchronous()
        && parameters.eq([&message, &delivery])
        && signature.result() == Some(&result)
}

/// What the function is called with.
pub(super) fn arguments(message: Message, delivered: &Delivered, id: RequestId) -> Vec<Value> {
    let header = |(name, value)| Value::Tuple(vec![Value::String(name), Value::String(value)]);
    let content_type = message
        .content_type
        .map(|kind| Box::new(Value::String(kind)));
    let parts = Value::Record(vec![
        Value::Bytes(message.body.into()),
        Value::Option(content_type),
        Value::List(message.headers.into_iter().map(header).collect()),
    ]);
    let delivery = Value::Record(vec![
        Value::String(message.subject),
        Value::U64(delivered.stored.sequence),
        Value::U32(u32::try_from(delivered.attempt).unwrap_or(u32::MAX)),
        Value::U64(delivered.published / 1_000_000),
        Value::String(id.to_string()),
    ]);
    vec![parts, delivery]
}
