use std::collections::BTreeMap;

use super::{FieldError, limits};

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
