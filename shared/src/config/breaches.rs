use super::{ConfigError, Env};

/// Access to the list of breached passwords of Have I Been Pwned.
#[derive(Debug, Clone)]
pub struct BreachConfig {
    /// `BREACHED_PASSWORDS_URL`: base URL of the API. Default `https://api.pwnedpasswords.com`.
    pub url: String,
}

impl BreachConfig {
    /// Reads the settings; `None` unless `BREACHED_PASSWORDS` is `on`.
    ///
    /// # Errors
    /// When one of them is invalid.
    pub fn from_env(env: &Env) -> Result<Option<Self>, ConfigError> {
        if !env.switch("BREACHED_PASSWORDS", "off")? {
            return Ok(None);
        }
        let url = env.web_url("BREACHED_PASSWORDS_URL")?;
        Ok(Some(Self { url: url.unwrap_or_else(|| "https://api.pwnedpasswords.com".to_owned()) }))
    }
}
