//! Classifies store errors for telemetry.

use super::StoreError;
use crate::telemetry::CallError;

impl CallError for StoreError {
    fn is_failed_call(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Refused { .. } | Self::Corrupt { .. })
    }
}
