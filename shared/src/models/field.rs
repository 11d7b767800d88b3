use std::borrow::Cow;

use secret_scan::Finding;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::json_path::join;

/// An error in one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// Path of the field, such as `changes[3].data.port`.
    pub field: String,
    /// Requirement on the value: the end of a sentence that starts with the field's path.
    pub message: String,
    /// For a credential: id of the rule that found it, such as `github-token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 64, pattern = "^[a-z0-9-]+$")]
    pub rule: Option<Cow<'static, str>>,
    /// For a credential in a text: where it starts, in UTF-16 code units, as JavaScript counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<i32>, minimum = 0, maximum = 6356992)]
    pub start: Option<usize>,
    /// For a credential in a text: where it ends, in UTF-16 code units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<i32>, minimum = 0, maximum = 6356992)]
    pub end: Option<usize>,
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
        Self { field: field.into(), message: message.into(), rule: None, start: None, end: None }
    }

    /// Creates an error of the field at the path `field`, which contains a credential.
    pub fn credential(field: impl Into<String>, found: &Finding) -> Self {
        let span = found.span.as_ref().map(|span| span.utf16.clone());
        Self {
            rule: Some(Cow::Borrowed(found.rule.id)),
            start: span.as_ref().map(|span| span.start),
            end: span.map(|span| span.end),
            ..Self::new(field, found.rule.sentence)
        }
    }

    /// Moves the field below the path `parent`.
    #[must_use]
    pub fn below(self, parent: &str) -> Self {
        Self { field: join(parent, &self.field), ..self }
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
