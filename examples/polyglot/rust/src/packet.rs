//! A data packet, read with the same checks in the same order as in the other four languages.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// What the service is asked to verify.
pub struct Packet {
    pub id: String,
    pub encryption_level: u32,
}

/// Which field is wrong, and how.
pub struct Refusal {
    pub field: &'static str,
    pub detail: String,
}

impl Refusal {
    /// A refusal whose detail needs no field's name.
    pub fn new(field: &'static str, detail: &str) -> Self {
        Refusal {
            field,
            detail: detail.into(),
        }
    }
}

impl<T> From<Refusal> for Result<T, Refusal> {
    fn from(refusal: Refusal) -> Self {
        Err(refusal)
    }
}

impl Packet {
    /// Reads a packet, or says what is wrong with it first.
    pub fn parse(body: &[u8]) -> Result<Packet, Refusal> {
        let text =
            std::str::from_utf8(body).map_err(|_| Refusal::new("body", "the body is not UTF-8"))?;
        let value: &RawValue =
            serde_json::from_str(text).map_err(|_| Refusal::new("body", "the body is not JSON"))?;
        if !value.get().starts_with('{') {
            return Err(Refusal::new("body", "the body must be a JSON object"));
        }
        let fields =
            RawFields::read(value).map_err(|_| Refusal::new("body", "the body is not JSON"))?;
        let id = string("id", fields.id)?;
        string("payload", fields.payload)?;
        Ok(Packet {
            id,
            encryption_level: level("encryption_level", fields.encryption_level)?,
        })
    }
}

fn string(field: &'static str, raw: Option<&RawValue>) -> Result<String, Refusal> {
    let raw = present(field, raw)?;
    // Half of a UTF-16 pair is no string of Unicode, and is refused here.
    serde_json::from_str(raw.get()).map_err(|_| Refusal {
        field,
        detail: format!("{field} must be a string"),
    })
}

fn level(field: &'static str, raw: Option<&RawValue>) -> Result<u32, Refusal> {
    let raw = present(field, raw)?.get();
    let is_number = raw.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    // The number is read as JavaScript reads it: rounded to a binary64, past its range infinite.
    let number = raw.parse::<f64>().ok().filter(|_| is_number);
    match number
        .filter(|number| number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(number))
    {
        Some(number) => Ok(number as u32),
        None => Err(Refusal {
            field,
            detail: format!("{field} must be an integer from 0 to {}", u32::MAX),
        }),
    }
}

fn present<'a>(field: &'static str, raw: Option<&'a RawValue>) -> Result<&'a RawValue, Refusal> {
    raw.ok_or_else(|| Refusal {
        field,
        detail: format!("{field} is missing"),
    })
}

/// The fields as they were written, the last of those with the same name; all others are skipped unread.
#[derive(Default)]
struct RawFields<'a> {
    id: Option<&'a RawValue>,
    payload: Option<&'a RawValue>,
    encryption_level: Option<&'a RawValue>,
}

impl<'a> RawFields<'a> {
    fn read(value: &'a RawValue) -> Result<Self, serde_json::Error> {
        serde_json::Deserializer::from_str(value.get()).deserialize_map(RawFields::default())
    }
}

impl<'de> Visitor<'de> for RawFields<'de> {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a data packet")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        // A name is read raw first, because one that is not Unicode is allowed and ignored.
        while let Some(name) = map.next_key::<&RawValue>()? {
            match serde_json::from_str::<String>(name.get()).as_deref() {
                Ok("id") => self.id = Some(map.next_value()?),
                Ok("payload") => self.payload = Some(map.next_value()?),
                Ok("encryption_level") => self.encryption_level = Some(map.next_value()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(self)
    }
}
