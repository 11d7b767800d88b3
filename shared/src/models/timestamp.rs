use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A point in time, in whole microseconds since 1970-01-01T00:00:00Z.
///
/// On the wire it is RFC 3339 in UTC with exactly six fractional digits. Input of finer resolution is rounded *down*, so
/// that a client that sends a cursor back never skips a later change.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A text that is not an RFC 3339 time between the years 0000 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an RFC 3339 time such as 2026-01-31T12:00:00Z")]
pub struct InvalidTimestamp;

impl Timestamp {
    /// 1970-01-01T00:00:00Z: the head of a user who has no changes yet.
    pub const EPOCH: Self = Self(0);
    /// 0000-01-01T00:00:00Z: the earliest time in RFC 3339.
    pub const MIN: Self = Self(-62_167_219_200_000_000);
    /// 9999-12-30T22:00:00Z: the latest time that jiff can represent at every offset. Later times in RFC 3339 are read as
    /// this one.
    pub const MAX: Self = Self(253_402_207_200_000_000);

    /// Returns the time `micros` microseconds after 1970-01-01T00:00:00Z, clamped to [`MIN`](Self::MIN) and
    /// [`MAX`](Self::MAX).
    pub const fn from_micros(micros: i64) -> Self {
        if micros < Self::MIN.0 {
            Self::MIN
        } else if micros > Self::MAX.0 {
            Self::MAX
        } else {
            Self(micros)
        }
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Returns this time plus `seconds`, which may be negative.
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self::from_micros(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    /// Returns the first whole millisecond after this time.
    pub const fn next_millisecond(self) -> Self {
        Self::from_micros((self.0.div_euclid(1_000) + 1) * 1_000)
    }

    /// Number of the day in UTC, counted from 1970-01-01.
    pub const fn day(self) -> i64 {
        self.0.div_euclid(24 * 3_600 * 1_000_000)
    }

    /// Date in UTC, such as `2026-01-31`.
    pub fn date(self) -> String {
        self.to_string().chars().take(10).collect()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = jiff::Timestamp::from_microsecond(self.0).map_err(|_| fmt::Error)?;
        write!(f, "{time:.6}")
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let Ok(time) = text.parse::<jiff::Timestamp>() else {
            return if is_beyond_max(text) { Ok(Self::MAX) } else { Err(InvalidTimestamp) };
        };
        let micros = time.as_nanosecond().div_euclid(1_000);
        let micros = i64::try_from(micros).map_err(|_| InvalidTimestamp)?;
        if (Self::MIN.0..=Self::MAX.0).contains(&micros) { Ok(Self(micros)) } else { Err(InvalidTimestamp) }
    }
}

/// Whether `text` is a time in the last hours of 9999, which jiff cannot represent.
fn is_beyond_max(text: &str) -> bool {
    jiff::fmt::temporal::Pieces::parse(text).is_ok_and(|pieces| {
        pieces.date().year() == 9999 && pieces.time().is_some() && pieces.to_numeric_offset().is_some()
    })
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Length of the longest RFC 3339 time that is read: nine fractional digits and a numeric offset.
const MAX_RFC_3339_CHARS: usize = 35;

impl utoipa::PartialSchema for Timestamp {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .max_length(Some(MAX_RFC_3339_CHARS))
            .description(Some("RFC 3339 time. Responses are in UTC with exactly six fractional digits; requests may have up to nine, and any offset."))
            .into()
    }
}

impl utoipa::ToSchema for Timestamp {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_with_six_fractional_digits() {
        let time: Timestamp = "2026-01-31T12:00:00.1234569+02:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-01-31T10:00:00.123456Z");
        assert_eq!(time.to_string().parse(), Ok(time));
        assert_eq!(Timestamp::EPOCH.to_string(), "1970-01-01T00:00:00.000000Z");
        assert_eq!(time.date(), "2026-01-31");
    }

    #[test]
    fn rounds_down_before_1970_too() {
        let time: Timestamp = "1969-12-31T23:59:59.9999999Z".parse().unwrap();
        assert_eq!(time.micros(), -1);
    }

    #[test]
    fn rejects_text_that_is_not_rfc_3339() {
        for text in
            ["", "yesterday", "2026-01-31", "2026-13-01T00:00:00Z", "2026-01-31T12:00:00", "-000001-01-01T00:00:00Z"]
        {
            assert_eq!(text.parse::<Timestamp>(), Err(InvalidTimestamp), "{text}");
        }
    }

    #[test]
    fn accepts_the_last_second_of_9999() {
        assert_eq!("9999-12-31T23:59:59Z".parse(), Ok(Timestamp::MAX));
        assert_eq!("9999-12-31T23:59:59".parse::<Timestamp>(), Err(InvalidTimestamp));
    }

    #[test]
    fn round_trips_the_bounds() {
        for time in [Timestamp::MIN, Timestamp::MAX, Timestamp::from_micros(i64::MAX), Timestamp::from_micros(i64::MIN)]
        {
            assert_eq!(time.to_string().parse(), Ok(time));
        }
    }
}
