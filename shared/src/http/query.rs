use super::{ApiError, Code};
use crate::models::{FieldError, Timestamp};

/// The query of a URL.
#[derive(Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query; names that are not asked for are ignored.
    ///
    /// # Errors
    /// When it is no query at all.
    pub fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let malformed =
            |why: &dyn std::fmt::Display| ApiError::new(Code::InvalidRequest, format!("the query is malformed: {why}"));
        let pairs: Vec<(String, String)> =
            serde_urlencoded::from_str(query.unwrap_or_default()).map_err(|error| malformed(&error))?;
        // Bytes that are no UTF-8 were replaced: two different ids must not become one.
        if pairs.iter().any(|(_, value)| value.contains(char::REPLACEMENT_CHARACTER)) {
            return Err(malformed(&"it is not UTF-8"));
        }
        Ok(Self(pairs))
    }

    /// The value of `name`; of several, the last.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The time `name`, if it is there.
    ///
    /// # Errors
    /// When it is no time.
    pub fn time(&self, name: &str) -> Result<Option<Timestamp>, FieldError> {
        // A `+` that was not escaped arrives as a space, and a time holds no other.
        let text = self.get(name).map(|text| text.replace(' ', "+"));
        let time = text.map(|text| text.parse()).transpose();
        time.map_err(|error: crate::models::InvalidTimestamp| FieldError::new(name, error.to_string()))
    }

    /// The number `limit`, from 1 to `most`, which is also what it is by default.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn limit(&self, most: usize) -> Result<usize, FieldError> {
        let Some(text) = self.get("limit") else { return Ok(most) };
        let limit = text.parse().ok().filter(|limit| (1..=most).contains(limit));
        limit.ok_or_else(|| FieldError::new("limit", format!("must be a whole number from 1 to {most}")))
    }
}
