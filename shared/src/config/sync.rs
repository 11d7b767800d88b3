use super::{ConfigError, Env};
use crate::models::Strategy;

/// Defaults of synchronisation.
#[derive(Debug, Clone, Copy)]
pub struct SyncConfig {
    /// `CONFLICT_STRATEGY`: strategy of uploads that name none. Default `last_write_wins`.
    pub default_strategy: Strategy,
}

impl SyncConfig {
    /// Reads the settings.
    ///
    /// # Errors
    /// When there is no such strategy.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        const VARIABLE: &str = "CONFLICT_STRATEGY";
        let name = env.get_or(VARIABLE, Strategy::LastWriteWins.name());
        let expected = "last_write_wins, keep_both or user_choice";
        let default_strategy =
            Strategy::from_name(&name).ok_or_else(|| ConfigError::invalid(VARIABLE, name, expected))?;
        Ok(Self { default_strategy })
    }
}
