//! Deserializers for fields of requests that accept less, or more, than serde's own.

use serde::de::{Error, IntoDeserializer};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Deserializes an enum from a string only. By default, serde also accepts an object with the name as its key.
pub(crate) fn by_name<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    let name = String::deserialize(deserializer)?;
    T::deserialize(name.into_deserializer())
}

/// Deserializes an optional enum from a string only.
///
/// # Errors
/// Fails if the value is not a string, or not the name of a variant.
pub fn optional_by_name<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let name = Option::<String>::deserialize(deserializer)?;
    name.map(|name| T::deserialize(name.into_deserializer())).transpose()
}

/// Deserializes an optional whole number; accepts `1.0` for 1.
///
/// # Errors
/// Fails if the value is anything else.
pub fn optional_whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    if value.is_null() {
        return Ok(None);
    }
    whole_number(&value).map(Some).ok_or_else(|| D::Error::custom("expected a whole number"))
}

/// Returns `value` as a whole number. Accepts `1.0` for 1, because some languages write every number as a float.
pub(crate) fn whole_number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64()?.to_string().parse().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_float_without_fraction_is_a_whole_number() {
        for (value, number) in [(json!(5432), 5432), (json!(5432.0), 5432), (json!(-1.0), -1), (json!(0.0), 0)] {
            assert_eq!(whole_number(&value), Some(number), "{value}");
        }
        for value in [json!(0.5), json!(1e300), json!(u64::MAX), json!("1"), json!(null)] {
            assert_eq!(whole_number(&value), None, "{value}");
        }
    }
}
