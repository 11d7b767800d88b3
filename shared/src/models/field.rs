use std::collections::BTreeMap;

use serde::de::{Error, IntoDeserializer};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::limits;

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// The path of the field, as `changes[3].data.port`.
    pub field: String,
    /// What it must be, as the end of a sentence that starts with its name.
    pub message: String,
}

/// Most characters of a message that is not ours.
const MAX_MESSAGE_CHARS: usize = 200;

impl FieldError {
    /// What serde found wrong at `path`. Of a field that is missing, or there twice, it tells the name in its message
    /// alone.
    pub fn of_json(path: &str, error: &serde_json::Error) -> Self {
        let message = error.to_string();
        let named = [("missing field `", "is missing"), ("duplicate field `", "is there twice")];
        let named =
            named.iter().find_map(|(start, means)| Some((message.strip_prefix(start)?.split_once('`')?.0, means)));
        let path = path.trim_start_matches('.');
        match named {
            Some((name, means)) if path.is_empty() => Self::new(name, *means),
            Some((name, means)) => Self::new(format!("{path}.{name}"), *means),
            // After the last "expected" stands what is wanted; before it, what was sent, which is not to be repeated.
            None => match message.rsplit_once("expected ") {
                Some((_, wanted)) => Self::new(path, format!("must be {}", in_plain_words(wanted))),
                None => Self::new(path, message.chars().take(MAX_MESSAGE_CHARS).collect::<String>()),
            },
        }
    }

    /// An error of the field at `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// What serde wants, without the names that Rust has for it and the place in the text.
fn in_plain_words(wanted: &str) -> &str {
    match wanted.split_once(" at line ").map_or(wanted, |(wanted, _)| wanted) {
        "i64" | "u64" => "a whole number",
        "string" => "a string",
        "a map" | "map" => "an object",
        "a sequence" => "a list",
        "a boolean" => "true or false",
        wanted if wanted.starts_with("struct ") => "an object",
        wanted => wanted,
    }
}

/// Reads a value of an enumeration from a string. By itself, serde also takes an object with the name as its key.
pub(crate) fn by_name<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    let name = String::deserialize(deserializer)?;
    T::deserialize(name.into_deserializer())
}

/// The same, or nothing.
///
/// # Errors
/// When it is no string, or not the name of a value.
pub fn optional_by_name<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let name = Option::<String>::deserialize(deserializer)?;
    name.map(|name| T::deserialize(name.into_deserializer())).transpose()
}

/// Reads a whole number, however it is written, or nothing.
///
/// # Errors
/// When it is something else.
pub fn optional_whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    if value.is_null() {
        return Ok(None);
    }
    whole(&value).map(Some).ok_or_else(|| D::Error::custom("expected a whole number"))
}

/// The whole number that `value` is, however it is written: 1, or 1.0, as some languages write every number.
pub(crate) fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64()?.to_string().parse().ok())
}

/// Most errors told of one object: nobody mends more than these at a time, and an answer must not outgrow its request.
const MAX_ERRORS: usize = 10;

/// Collects what is wrong with the fields of one object, so that a person learns of all of it at once.
#[derive(Debug, Default)]
pub(crate) struct Check(Vec<FieldError>);

impl Check {
    pub(crate) fn fail(&mut self, field: &str, message: impl Into<String>) {
        if self.0.len() < MAX_ERRORS {
            self.0.push(FieldError::new(field, message));
        }
    }

    /// A text of `least` to `most` characters.
    pub(crate) fn text(&mut self, field: &str, text: &str, least: usize, most: usize) {
        // A character is at most four bytes: most texts need no counting.
        let short_enough = text.len() <= most || text.chars().take(most + 1).count() <= most;
        if text.len() < least {
            self.fail(field, "must not be empty");
        } else if !short_enough {
            self.fail(field, format!("must have at most {most} characters"));
        }
    }

    pub(crate) fn optional_text(&mut self, field: &str, text: Option<&String>, most: usize) {
        if let Some(text) = text {
            self.text(field, text, 0, most);
        }
    }

    pub(crate) fn integer(&mut self, field: &str, number: i64, least: i64, most: i64) {
        if !(least..=most).contains(&number) {
            self.fail(field, format!("must be between {least} and {most}"));
        }
    }

    pub(crate) fn port(&mut self, field: &str, port: Option<i64>) {
        if let Some(port) = port {
            self.integer(field, port, 1, 65_535);
        }
    }

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

    pub(crate) fn finish(self) -> Result<(), Vec<FieldError>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        for (value, number) in [(json!(5432), 5432), (json!(5432.0), 5432), (json!(-1.0), -1), (json!(0.0), 0)] {
            assert_eq!(whole(&value), Some(number), "{value}");
        }
        for value in [json!(0.5), json!(1e300), json!(u64::MAX), json!("1"), json!(null)] {
            assert_eq!(whole(&value), None, "{value}");
        }
    }
}
