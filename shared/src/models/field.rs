use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::de::{Error, IntoDeserializer};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::limits;

/// An error in one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// Path of the field, such as `changes[3].data.port`.
    pub field: String,
    /// What the value must be: the end of a sentence that starts with the field's path.
    pub message: String,
}

/// Maximum length of a message from serde, in characters.
const MAX_MESSAGE_CHARS: usize = 200;

impl FieldError {
    /// Converts an error that serde found at `path`. serde names a missing or duplicate field in the message only, so
    /// its name is appended to the path.
    pub fn from_json_error(path: &str, error: &serde_json::Error) -> Self {
        let message = error.to_string();
        let prefixes = [("missing field `", "is missing"), ("duplicate field `", "is duplicated")];
        let named = prefixes
            .iter()
            .find_map(|(prefix, meaning)| Some((message.strip_prefix(prefix)?.split_once('`')?.0, meaning)));
        let path = path.trim_start_matches('.');
        match named {
            Some((name, meaning)) if path.is_empty() => Self::new(name, *meaning),
            Some((name, meaning)) => Self::new(format!("{path}.{name}"), *meaning),
            // The text before the last "expected" quotes the value, which may be secret. Only the text after it is kept.
            None => match message.rsplit_once("expected ") {
                Some((_, expected)) => Self::new(path, format!("must be {}", describe_expected(expected))),
                None => Self::new(path, message.chars().take(MAX_MESSAGE_CHARS).collect::<String>()),
            },
        }
    }

    /// Creates an error of the field at the path `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// A value that violates a rule of its type. The text says what the value must be: the end of a sentence that starts with
/// the field's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidValue(Cow<'static, str>);

impl InvalidValue {
    /// Creates an error with the text `message`.
    pub(crate) fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self(message.into())
    }
}

/// The text of the error, as the message of a [`FieldError`].
impl From<InvalidValue> for String {
    fn from(error: InvalidValue) -> Self {
        error.0.into_owned()
    }
}

/// Translates serde's description of an expected value: without Rust's type names and the position in the JSON text.
fn describe_expected(expected: &str) -> &str {
    match expected.split_once(" at line ").map_or(expected, |(expected, _)| expected) {
        "i64" | "u64" => "a whole number",
        "string" => "a string",
        "a map" | "map" => "an object",
        "a sequence" => "a list",
        "a boolean" => "true or false",
        expected if expected.starts_with("struct ") => "an object",
        expected => expected,
    }
}

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

/// Deserializes an optional whole number; accepts `1.0` for 1 (see [`whole_number`]).
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

/// Maximum number of errors reported for one object. It keeps the response from outgrowing the request.
const MAX_ERRORS: usize = 10;

/// Collects the errors in the fields of one object, so that a response reports all of them at once.
#[derive(Debug, Default)]
pub(crate) struct Check(Vec<FieldError>);

impl Check {
    /// Adds an error, unless [`MAX_ERRORS`] are collected already.
    pub(crate) fn fail(&mut self, field: &str, message: impl Into<String>) {
        if self.0.len() < MAX_ERRORS {
            self.0.push(FieldError::new(field, message));
        }
    }

    /// Checks that `text` has `min` to `max` characters. `min` is 0 or 1.
    pub(crate) fn text(&mut self, field: &str, text: &str, min: usize, max: usize) {
        // A text of at most `max` bytes has at most `max` characters, so most texts need no counting.
        let short_enough = text.len() <= max || text.chars().take(max + 1).count() <= max;
        if text.len() < min {
            self.fail(field, "must not be empty");
        } else if !short_enough {
            self.fail(field, format!("must have at most {max} characters"));
        }
    }

    /// Checks that `text`, if present, has at most `max` characters.
    pub(crate) fn optional_text(&mut self, field: &str, text: Option<&String>, max: usize) {
        if let Some(text) = text {
            self.text(field, text, 0, max);
        }
    }

    /// Checks that `number` is between `min` and `max`, inclusive.
    pub(crate) fn integer(&mut self, field: &str, number: i64, min: i64, max: i64) {
        if !(min..=max).contains(&number) {
            self.fail(field, format!("must be between {min} and {max}"));
        }
    }

    /// Checks that `port`, if present, is a TCP port.
    pub(crate) fn port(&mut self, field: &str, port: Option<i64>) {
        if let Some(port) = port {
            self.integer(field, port, 1, 65_535);
        }
    }

    /// Checks the number of entries, and the length of every key and value.
    pub(crate) fn metadata(&mut self, metadata: &BTreeMap<String, String>) {
        if metadata.len() > limits::METADATA_ENTRIES {
            self.fail("metadata", format!("must have at most {} entries", limits::METADATA_ENTRIES));
        }
        for (key, value) in metadata {
            let field = || format!("metadata.{}", key.chars().take(limits::METADATA_KEY_CHARS).collect::<String>());
            self.text(&field(), key, 1, limits::METADATA_KEY_CHARS);
            self.text(&field(), value, 0, limits::METADATA_VALUE_CHARS);
        }
    }

    /// Returns the collected errors, if any.
    pub(crate) fn finish(self) -> Result<(), Vec<FieldError>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }
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
