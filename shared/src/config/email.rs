use std::path::PathBuf;

use super::{ConfigError, Env};
use crate::models::EmailAddress;
use crate::secret::RotatingSecret;

/// Links in emails, and their delivery.
#[derive(Debug, Clone)]
pub struct EmailConfig {
    /// `PUBLIC_URL`: base URL of this service in links, without a `/` at its end. Never taken from a request.
    pub public_url: String,
    /// `PRODUCT_URL`: address of SQL Studio. Default `https://sqlstudio.app`.
    pub product_url: String,
    /// Delivery by Resend, if `RESEND_API_KEY` is set.
    pub resend: Option<ResendConfig>,
    /// `DATA_DIR/outbox`, if `DATA_DIR` is set: folder of the emails that do not go through Resend.
    pub outbox: Option<PathBuf>,
}

/// Access to Resend.
#[derive(Debug, Clone)]
pub struct ResendConfig {
    /// `RESEND_API_KEY`.
    pub key: RotatingSecret,
    /// `MAIL_FROM`: sender of all emails, as `SQL Studio <studio@example.com>`. Resend must have verified the domain.
    pub from: String,
    /// `RESEND_URL`: base URL of the API. Default `https://api.resend.com`.
    pub url: String,
}

impl EmailConfig {
    /// Reads the settings; `public_url` is the default of `PUBLIC_URL`.
    ///
    /// # Errors
    /// When a URL is invalid, there is no public URL, or `MAIL_FROM` is missing although emails go through Resend.
    pub fn from_env(env: &Env, public_url: Option<String>) -> Result<Self, ConfigError> {
        let remedy = "set it to the base URL of this service, to which links in emails lead";
        let missing = ConfigError::Missing { variable: "PUBLIC_URL", remedy };
        Ok(Self {
            public_url: env.web_url("PUBLIC_URL")?.or(public_url).ok_or(missing)?,
            product_url: env.web_url("PRODUCT_URL")?.unwrap_or_else(|| "https://sqlstudio.app".to_owned()),
            resend: ResendConfig::from_env(env)?,
            outbox: env.get("DATA_DIR").map(|folder| PathBuf::from(folder).join("outbox")),
        })
    }
}

impl ResendConfig {
    fn from_env(env: &Env) -> Result<Option<Self>, ConfigError> {
        let Some(key) = env.rotating_secret("RESEND_API_KEY") else { return Ok(None) };
        let remedy = "emails through Resend need a sender: SQL Studio <studio@example.com>";
        let from = env.get("MAIL_FROM").ok_or(ConfigError::Missing { variable: "MAIL_FROM", remedy })?;
        if EmailAddress::parse(address(&from)).is_err() {
            return Err(ConfigError::invalid("MAIL_FROM", from, "an address, or SQL Studio <studio@example.com>"));
        }
        let url = env.web_url("RESEND_URL")?.unwrap_or_else(|| "https://api.resend.com".to_owned());
        Ok(Some(Self { key, from, url }))
    }
}

/// The address of a sender with or without a name: `Name <address>` or `address`.
fn address(sender: &str) -> &str {
    sender.split_once('<').and_then(|(_, rest)| rest.strip_suffix('>')).unwrap_or(sender)
}
