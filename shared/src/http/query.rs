use super::{ApiError, Code};
use crate::models::{FieldError, Timestamp};

/// Parameters of a URL's query.
#[derive(Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Parses a query. Unknown parameters are ignored.
    ///
    /// # Errors
    /// When it is malformed or not UTF-8.
    pub fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let malformed =
            |why: &dyn std::fmt::Display| ApiError::new(Code::InvalidRequest, format!("the query is malformed: {why}"));
        let pairs: Vec<(String, String)> =
            serde_urlencoded::from_str(query.unwrap_or_default()).map_err(|error| malformed(&error))?;
        // The parser replaces bytes that are not UTF-8, which could make two different ids equal.
        if pairs.iter().any(|(_, value)| value.contains(char::REPLACEMENT_CHARACTER)) {
            return Err(malformed(&"it is not UTF-8"));
        }
        Ok(Self(pairs))
    }

    /// Returns the last value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns all values of `name`.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns the time `name`, if it is set.
    ///
    /// # Errors
    /// When it is not a time.
    pub fn time(&self, name: &str) -> Result<Option<Timestamp>, FieldError> {
        // An unescaped `+` arrives as a space; a time contains no other.
        let text = self.get(name).map(|text| text.replace(' ', "+"));
        let time = text.map(|text| text.parse()).transpose();
        time.map_err(|error: crate::models::InvalidTimestamp| FieldError::new(name, error.to_string()))
    }

    /// Returns the number `limit`, from 1 to `most`, by default `most`.
    ///
    /// # Errors
    /// When it is not in that range.
    pub fn limit(&self, most: usize) -> Result<usize, FieldError> {
        let Some(text) = self.get("limit") else { return Ok(most) };
        let limit = text.parse().ok().filter(|limit| (1..=most).contains(limit));
        limit.ok_or_else(|| FieldError::new("limit", format!("must be a whole number from 1 to {most}")))
    }
}
