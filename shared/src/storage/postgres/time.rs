use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo, PgValueFormat, PgValueRef};
use sqlx::{Decode, Encode, Type};

use crate::models::Timestamp;

/// Microseconds from 1970 to 2000, from which PostgreSQL counts.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// A time as `timestamptz` holds it: whole microseconds, as ours, so that nothing is rounded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time(pub(super) Timestamp);

impl Type<sqlx::Postgres> for Time {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("TIMESTAMPTZ")
    }
}

impl Encode<'_, sqlx::Postgres> for Time {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<sqlx::Postgres>::encode_by_ref(&(self.0.micros() - EPOCH_MICROS), buffer)
    }
}

impl Decode<'_, sqlx::Postgres> for Time {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        match value.format() {
            PgValueFormat::Binary => {
                let micros = <i64 as Decode<sqlx::Postgres>>::decode(value)?;
                Ok(Self(Timestamp::from_micros(micros + EPOCH_MICROS)))
            }
            PgValueFormat::Text => Err("times are asked for in binary".into()),
        }
    }
}
