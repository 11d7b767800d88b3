use super::{ConfigError, Env};
use crate::models::{Quota, Strategy, limits};

/// Defaults and limits of synchronisation.
#[derive(Debug, Clone, Copy)]
pub struct SyncConfig {
    /// `CONFLICT_STRATEGY`: strategy of uploads that name none. Default `last_write_wins`.
    pub default_strategy: Strategy,
    /// `USER_BYTES` and `USER_ITEMS`: what an account may store. Default 256 MiB and 200,000 items.
    pub quota: Quota,
}

impl SyncConfig {
    /// Reads the settings.
    ///
    /// # Errors
    /// When there is no such strategy, or a quota is not a whole number above 0.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        const VARIABLE: &str = "CONFLICT_STRATEGY";
        let name = env.get_or(VARIABLE, Strategy::LastWriteWins.name());
        let expected = "last_write_wins, keep_both, user_choice or merge";
        let default_strategy =
            Strategy::from_name(&name).ok_or_else(|| ConfigError::invalid(VARIABLE, name, expected))?;
        Ok(Self { default_strategy, quota: Self::quota(env)? })
    }

    /// Reads the quota alone.
    ///
    /// # Errors
    /// When it is not made of whole numbers above 0.
    pub fn quota(env: &Env) -> Result<Quota, ConfigError> {
        Ok(Quota {
            bytes: positive(env, "USER_BYTES", Quota::default().bytes)?,
            items: positive(env, "USER_ITEMS", Quota::default().items)?,
        })
    }
}

fn positive(env: &Env, variable: &'static str, default: i64) -> Result<i64, ConfigError> {
    let Some(text) = env.get(variable) else { return Ok(default) };
    let number = text.parse().ok().filter(|number| (1..=limits::INTEGER).contains(number));
    number.ok_or_else(|| ConfigError::invalid(variable, text, "a whole number above 0"))
}
