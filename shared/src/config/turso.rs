use secrecy::SecretString;

use super::env::check_scheme;
use super::{ConfigError, Env};
use crate::secret::RotatingSecret;

/// The libSQL databases of sync data.
#[derive(Debug, Clone)]
pub struct TursoConfig {
    /// `TURSO_DATABASE_URL`: at least one, separated by commas.
    pub databases: Vec<TursoDatabase>,
    /// `TURSO_AUTH_TOKEN`: the token for all of them.
    pub token: Option<RotatingSecret>,
}

/// A libSQL database of sync data.
#[derive(Debug, Clone)]
pub struct TursoDatabase {
    /// URL: `libsql://…`, `https://…` or `http://…`.
    pub url: SecretString,
    /// Share of the new users in relation to the weights of the other databases: `#weight=` after the URL, 1 by default.
    pub weight: u32,
}

impl TursoConfig {
    /// Name of the variable that holds the URLs.
    pub const URL: &'static str = "TURSO_DATABASE_URL";

    /// Largest weight of a database.
    const MAX_WEIGHT: u32 = 1_000;

    /// Reads the settings; `None` if there is no URL.
    ///
    /// # Errors
    /// When a URL is not one of a libSQL server, or a weight is not valid.
    pub fn from_env(env: &Env) -> Result<Option<Self>, ConfigError> {
        let Some(list) = env.get(Self::URL) else { return Ok(None) };
        let databases = list.split(',').map(|item| database(item.trim())).collect::<Result<Vec<_>, _>>()?;
        if databases.iter().all(|database| database.weight == 0) {
            return Err(invalid("a list with at least one database that new users go to: a weight above 0"));
        }
        Ok(Some(Self { databases, token: env.rotating_secret("TURSO_AUTH_TOKEN") }))
    }

    /// Reads the settings, of which the URL must be set.
    ///
    /// # Errors
    /// When it is not set, or as [`from_env`](Self::from_env).
    pub fn required(env: &Env) -> Result<Self, ConfigError> {
        let remedy = "set it to the libSQL database of sync data: libsql://… or https://…";
        Self::from_env(env)?.ok_or(ConfigError::Missing { variable: Self::URL, remedy })
    }
}

/// Parses a URL with an optional weight.
fn database(text: &str) -> Result<TursoDatabase, ConfigError> {
    let (url, fragment) = text.split_once('#').map_or((text, None), |(url, fragment)| (url, Some(fragment)));
    check_scheme(TursoConfig::URL, url, &["libsql", "https", "http"])?;
    let weight = match fragment {
        None => 1,
        Some(fragment) => fragment
            .strip_prefix("weight=")
            .and_then(|weight| weight.parse().ok())
            .filter(|weight| *weight <= TursoConfig::MAX_WEIGHT)
            .ok_or_else(|| invalid("URLs of which each may end in #weight=, followed by a number from 0 to 1000"))?,
    };
    Ok(TursoDatabase { url: SecretString::from(url), weight })
}

fn invalid(expected: &str) -> ConfigError {
    ConfigError::InvalidSecret { variable: TursoConfig::URL, expected: expected.to_owned() }
}
