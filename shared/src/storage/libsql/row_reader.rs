//! Typed access to the columns of a row. Errors name table, column and key.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::DeserializeOwned;

use super::{Row, Value};
use crate::models::Timestamp;
use crate::storage::{StoreError, StoreResult};

/// Longest key in an error, in characters.
const MAX_KEY_LENGTH: usize = 64;

/// Reads the columns of one row from left to right.
pub(crate) struct RowReader {
    table: &'static str,
    key: String,
    values: std::vec::IntoIter<Value>,
}

impl RowReader {
    /// Reads `row` of `table`. Errors name the first text in it as the key of the row.
    pub(crate) fn new(table: &'static str, row: Row) -> Self {
        let first_text = row.iter().find_map(|value| match value {
            Value::Text(text) => Some(text.chars().take(MAX_KEY_LENGTH).collect()),
            _ => None,
        });
        Self { table, key: first_text.unwrap_or_default(), values: row.into_iter() }
    }

    /// Reads `row` of `table`, which does not contain its `key`.
    pub(crate) fn with_key(table: &'static str, key: impl ToString, row: Row) -> Self {
        Self { table, key: key.to_string(), values: row.into_iter() }
    }

    /// Returns the error that `column` is corrupt.
    pub(crate) fn corrupt(&self, column: &'static str, reason: impl ToString) -> StoreError {
        StoreError::Corrupt { table: self.table, column, key: self.key.clone(), reason: reason.to_string() }
    }

    pub(crate) fn optional_text(&mut self, column: &'static str) -> StoreResult<Option<String>> {
        match self.values.next() {
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(Value::Null) => Ok(None),
            other => Err(self.corrupt(column, format!("expected text, found {}", kind(other.as_ref())))),
        }
    }

    pub(crate) fn text(&mut self, column: &'static str) -> StoreResult<String> {
        self.optional_text(column)?.ok_or_else(|| self.corrupt(column, "expected text, found NULL"))
    }

    pub(crate) fn optional_integer(&mut self, column: &'static str) -> StoreResult<Option<i64>> {
        match self.values.next() {
            Some(Value::Integer(number)) => Ok(Some(number)),
            Some(Value::Null) => Ok(None),
            other => Err(self.corrupt(column, format!("expected an integer, found {}", kind(other.as_ref())))),
        }
    }

    pub(crate) fn integer(&mut self, column: &'static str) -> StoreResult<i64> {
        self.optional_integer(column)?.ok_or_else(|| self.corrupt(column, "expected an integer, found NULL"))
    }

    pub(crate) fn flag(&mut self, column: &'static str) -> StoreResult<bool> {
        Ok(self.integer(column)? != 0)
    }

    pub(crate) fn optional_time(&mut self, column: &'static str) -> StoreResult<Option<Timestamp>> {
        Ok(self.optional_integer(column)?.map(Timestamp::from_micros))
    }

    pub(crate) fn time(&mut self, column: &'static str) -> StoreResult<Timestamp> {
        Ok(Timestamp::from_micros(self.integer(column)?))
    }

    pub(crate) fn json<T: DeserializeOwned>(&mut self, column: &'static str) -> StoreResult<T> {
        let text = self.text(column)?;
        serde_json::from_str(&text).map_err(|error| {
            // The message of the error itself may quote the value.
            self.corrupt(column, format!("invalid JSON at column {} ({:?})", error.column(), error.classify()))
        })
    }

    /// Reads JSON as [`json`](Self::json) does, or NULL.
    pub(super) fn optional_json<T: DeserializeOwned>(&mut self, column: &'static str) -> StoreResult<Option<T>> {
        if self.values.as_slice().first() == Some(&Value::Null) {
            self.values.next();
            return Ok(None);
        }
        self.json(column).map(Some)
    }

    /// Reads a number of bytes.
    pub(super) fn size(&mut self, column: &'static str) -> StoreResult<usize> {
        usize::try_from(self.integer(column)?).map_err(|_| self.corrupt(column, "negative"))
    }

    pub(crate) fn parsed<T: FromStr<Err: Display>>(&mut self, column: &'static str) -> StoreResult<T> {
        self.text(column)?.parse().map_err(|error| self.corrupt(column, error))
    }

    /// Reads a value as [`parsed`](Self::parsed) does, or NULL.
    pub(crate) fn optional_parsed<T: FromStr<Err: Display>>(&mut self, column: &'static str) -> StoreResult<Option<T>> {
        let Some(text) = self.optional_text(column)? else { return Ok(None) };
        text.parse().map(Some).map_err(|error| self.corrupt(column, error))
    }

    /// Reads a name, such as that of an item type, by `from_name`.
    pub(crate) fn named<T>(&mut self, column: &'static str, from_name: fn(&str) -> Option<T>) -> StoreResult<T> {
        let name = self.text(column)?;
        from_name(&name).ok_or_else(|| self.corrupt(column, "unknown name"))
    }

    /// Reads a name as [`named`](Self::named) does, or NULL.
    pub(crate) fn optional_named<T>(
        &mut self,
        column: &'static str,
        from_name: fn(&str) -> Option<T>,
    ) -> StoreResult<Option<T>> {
        let Some(name) = self.optional_text(column)? else { return Ok(None) };
        from_name(&name).map(Some).ok_or_else(|| self.corrupt(column, "unknown name"))
    }
}

const fn kind(value: Option<&Value>) -> &'static str {
    match value {
        None => "no such column",
        Some(Value::Null) => "NULL",
        Some(Value::Integer(_)) => "an integer",
        Some(Value::Text(_)) => "text",
    }
}
