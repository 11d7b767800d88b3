//! JSON objects whose fields have different names. `serde_json` keeps the last of two fields with one name, and would drop
//! the first unseen.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::models::json_path::join;
use crate::models::limits;

/// Maximum number of values in a JSON text. Every value takes time and memory, however short it is. A valid item has a few
/// hundred, besides the fields that the server does not know, whose values take at least two bytes each.
const MAX_VALUES: usize = limits::EXTRA_BYTES;

/// Reason why a JSON text was not parsed.
#[derive(Debug)]
pub(super) enum UniqueError {
    /// Path of the second field with one name.
    Duplicate(String),
    /// The text is no JSON.
    Syntax(serde_json::Error),
}

/// Parses a JSON text.
///
/// # Errors
/// When the text is no JSON or has too many values, or an object has two fields with one name.
pub(super) fn parse_unique(text: &str) -> Result<Value, UniqueError> {
    let (mut duplicate, mut values) = (None, 0);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let parsed = Unique { duplicate: &mut duplicate, values: &mut values }.deserialize(&mut deserializer);
    match (parsed.and_then(|value| deserializer.end().map(|()| value)), duplicate) {
        (Ok(value), _) => Ok(value),
        (Err(_), Some(path)) => Err(UniqueError::Duplicate(without_credential(path))),
        (Err(error), None) => Err(UniqueError::Syntax(error)),
    }
}

/// Deserializes a value of which no object has two fields with one name, for `deserialize_with`.
///
/// # Errors
/// When it has too many values, or an object has two fields with one name: as serde reports a duplicate field of a struct,
/// without its path.
pub fn deserialize_unique<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    let value = Unique { duplicate: &mut None, values: &mut 0 }.deserialize(deserializer)?;
    Ok(Some(value).filter(|value| !value.is_null()))
}

/// The path, unless a name in it is a credential.
fn without_credential(path: String) -> String {
    if secret_scan::find(&Value::from(path.as_str())) == Ok(None) { path } else { "data".to_owned() }
}

/// Reads one value. The path of a duplicate grows on the way back, so other values cost no allocation for it.
struct Unique<'p> {
    duplicate: &'p mut Option<String>,
    /// Number of values so far.
    values: &'p mut usize,
}

impl Unique<'_> {
    /// Reads a value below `name` with `read`, and completes the path of a duplicate in it.
    fn below<T, E>(
        &mut self,
        name: impl FnOnce() -> String,
        read: impl FnOnce(Unique<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        read(Unique { duplicate: self.duplicate, values: self.values }).inspect_err(|_| {
            if let Some(path) = self.duplicate {
                *path = join(&name(), path);
            }
        })
    }
}

impl<'de> DeserializeSeed<'de> for Unique<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        *self.values += 1;
        if *self.values > MAX_VALUES {
            return Err(D::Error::custom(format_args!("exceeds the maximum of {MAX_VALUES} values")));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = self.below(|| format!("[{}]", values.len()), |seed| items.next_element_seed(seed))? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            if fields.contains_key(&name) {
                *self.duplicate = Some(name.clone());
                return Err(A::Error::custom(format_args!("duplicate field `{}`", without_credential(name))));
            }
            let value = self.below(|| name.clone(), |seed| entries.next_value_seed(seed))?;
            fields.insert(name, value);
        }
        Ok(fields.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_values_is_bounded() {
        let array = |values: usize| format!("[{}]", vec!["1"; values].join(","));
        assert!(parse_unique(&array(MAX_VALUES - 1)).is_ok(), "the array itself is a value");
        for text in [array(MAX_VALUES), array(3_000_000)] {
            let Err(UniqueError::Syntax(error)) = parse_unique(&text) else { panic!("too many values are accepted") };
            assert!(error.to_string().starts_with("exceeds the maximum of 16384 values"), "{error}");
        }
    }
}
