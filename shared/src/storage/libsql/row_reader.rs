//! Reading rows: each column in turn, and what is wrong told with its table, column and key.

#[cfg(feature = "embedded")]
use std::{fmt::Display, str::FromStr};

use serde::de::DeserializeOwned;

use super::{Row, Value};
use crate::models::Timestamp;
use crate::storage::{StoreError, StoreResult};

/// The columns of one row, taken from left to right.
pub(crate) struct RowReader {
    table: &'static str,
    key: String,
    values: std::vec::IntoIter<Value>,
}

impl RowReader {
    /// The columns of `row` of `table`; its first text is taken for its key in what is told of errors.
    pub(crate) fn of(table: &'static str, row: Row) -> Self {
        let key = row.iter().find_map(|value| match value {
            Value::Text(text) => Some(text.chars().take(64).collect()),
            _ => None,
        });
        Self { table, key: key.unwrap_or_default(), values: row.into_iter() }
    }

    pub(crate) fn bad(&self, column: &'static str, reason: impl ToString) -> StoreError {
        StoreError::Corrupt { table: self.table, column, key: self.key.clone(), reason: reason.to_string() }
    }

    pub(crate) fn optional_text(&mut self, column: &'static str) -> StoreResult<Option<String>> {
        match self.values.next() {
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(Value::Null) => Ok(None),
            other => Err(self.bad(column, format!("expected a text, found {}", kind(other.as_ref())))),
        }
    }

    pub(crate) fn text(&mut self, column: &'static str) -> StoreResult<String> {
        self.optional_text(column)?.ok_or_else(|| self.bad(column, "expected a text, found NULL"))
    }

    pub(crate) fn optional_integer(&mut self, column: &'static str) -> StoreResult<Option<i64>> {
        match self.values.next() {
            Some(Value::Integer(number)) => Ok(Some(number)),
            Some(Value::Null) => Ok(None),
            other => Err(self.bad(column, format!("expected a number, found {}", kind(other.as_ref())))),
        }
    }

    pub(crate) fn integer(&mut self, column: &'static str) -> StoreResult<i64> {
        self.optional_integer(column)?.ok_or_else(|| self.bad(column, "expected a number, found NULL"))
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
        serde_json::from_str(&text).map_err(|error| self.bad(column, error))
    }

    #[cfg(feature = "embedded")]
    pub(crate) fn parsed<T: FromStr<Err: Display>>(&mut self, column: &'static str) -> StoreResult<T> {
        self.text(column)?.parse().map_err(|error| self.bad(column, error))
    }

    /// A name on the wire that `named` knows.
    pub(crate) fn named<T>(&mut self, column: &'static str, named: fn(&str) -> Option<T>) -> StoreResult<T> {
        let text = self.text(column)?;
        named(&text).ok_or_else(|| self.bad(column, "unknown name"))
    }

    /// As [`named`](Self::named), or NULL.
    pub(crate) fn optional_named<T>(
        &mut self,
        column: &'static str,
        named: fn(&str) -> Option<T>,
    ) -> StoreResult<Option<T>> {
        let Some(text) = self.optional_text(column)? else { return Ok(None) };
        named(&text).map(Some).ok_or_else(|| self.bad(column, "unknown name"))
    }
}

const fn kind(value: Option<&Value>) -> &'static str {
    match value {
        None => "no such column",
        Some(Value::Null) => "NULL",
        Some(Value::Integer(_)) => "a number",
        Some(Value::Text(_)) => "a text",
    }
}
