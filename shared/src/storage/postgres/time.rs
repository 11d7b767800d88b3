use std::fmt::Display;

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo, PgValueFormat, PgValueRef};
use sqlx::{Decode, Encode, Type};

use crate::models::Timestamp;
use crate::storage::{StoreError, StoreResult};

/// Microseconds from 1970 to 2000, where PostgreSQL's count starts.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// A `timestamptz`. PostgreSQL stores whole microseconds, as [`Timestamp`] does: conversion rounds nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time {
    /// Microseconds since 2000; the limits of `i64` stand for `-infinity` and `infinity`.
    micros: i64,
}

impl Time {
    /// Returns the value of `column` in the row `key` of `table` as a [`Timestamp`].
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the value is infinite, or outside the range of [`Timestamp`].
    pub(super) fn decoded(
        self,
        table: &'static str,
        column: &'static str,
        key: impl Display,
    ) -> StoreResult<Timestamp> {
        let micros = self.micros.checked_add(EPOCH_MICROS);
        let time = micros.filter(|micros| Timestamp::from_micros(*micros).micros() == *micros);
        time.map(Timestamp::from_micros).ok_or_else(|| StoreError::Corrupt {
            table,
            column,
            key: key.to_string(),
            reason: "the time is infinite or out of range".to_owned(),
        })
    }
}

impl From<Timestamp> for Time {
    fn from(time: Timestamp) -> Self {
        // `Timestamp` covers the years 0000 to 9999: no overflow.
        Self { micros: time.micros() - EPOCH_MICROS }
    }
}

impl Type<sqlx::Postgres> for Time {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("TIMESTAMPTZ")
    }
}

impl Encode<'_, sqlx::Postgres> for Time {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<sqlx::Postgres>::encode_by_ref(&self.micros, buffer)
    }
}

impl Decode<'_, sqlx::Postgres> for Time {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        match value.format() {
            PgValueFormat::Binary => Ok(Self { micros: <i64 as Decode<sqlx::Postgres>>::decode(value)? }),
            PgValueFormat::Text => Err("expected a time in binary format".into()),
        }
    }
}
