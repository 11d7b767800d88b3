//! Settings, from the environment and from a secret, checked when the process starts. No setting has a dangerous default.

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;

use crate::auth::{AccessTokens, Keys, SigningKey};
use crate::http::Origins;
use crate::models::Strategy;
use crate::secret::{RotatingSecret, SecretSource};

/// What a process is told when it starts.
#[derive(Clone)]
pub struct Settings {
    /// `DATA_DIR`: the folder of the embedded stores. Default `./data`.
    pub data: PathBuf,
    /// `DATABASE_URL`: the accounts, `postgres://…`.
    pub database_url: Option<RotatingSecret>,
    /// `TURSO_DATABASE_URL`: the sync data, `libsql://…`, `https://…` or `http://…`; several are separated by commas.
    pub turso_urls: Vec<SecretString>,
    /// `TURSO_AUTH_TOKEN`: what opens them.
    pub turso_token: Option<RotatingSecret>,
    /// `REDIS_URL`: sessions and token buckets, `redis://…` or `rediss://…`.
    pub redis_url: Option<RotatingSecret>,
    /// `PUBLIC_URL`: where the links in mails lead to; never taken from a request. No `/` at its end. Only what sends
    /// mails needs it.
    pub public_url: Option<String>,
    /// `PRODUCT_URL`: where mails say that SQL App lives. Default `https://sqlstudio.app`.
    pub product_url: String,
    /// `JWT_SECRET`: what access tokens are signed with; at least 32 bytes.
    pub jwt_secret: Option<SecretString>,
    /// `JWT_SECRET_PREVIOUS`: what they were signed with until lately.
    pub jwt_secret_previous: Option<SecretString>,
    /// `SENTRY_DSN`: the project in Sentry that errors are reported to; to none by default.
    pub sentry_dsn: Option<SecretString>,
    /// Where secrets may change while the process runs, if they come from there.
    pub secrets: Option<Arc<dyn SecretSource>>,
    /// What delivers mails, where `RESEND_API_KEY` is set; a folder otherwise.
    pub resend: Option<ResendSettings>,
    /// `RATE_LIMITS`: `on` (default), or `off` for load tests.
    pub rate_limits: bool,
    /// `CORS_ORIGINS`: the web pages that may call, separated by commas. Default `localhost`: those of this machine.
    pub origins: Origins,
    /// `CONFLICT_STRATEGY`: for uploads that name none. Default `last_write_wins`.
    pub default_strategy: Strategy,
}

/// How Resend is reached.
#[derive(Debug, Clone)]
pub struct ResendSettings {
    /// `RESEND_API_KEY`.
    pub key: RotatingSecret,
    /// `MAIL_FROM`: who the mails come from, as `SQL App <app@example.com>`; Resend must know the domain.
    pub from: String,
    /// `RESEND_URL`: where Resend is. Default `https://api.resend.com`.
    pub url: String,
}

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    /// Names the variable that is wrong.
    pub fn from_env() -> Result<Self, String> {
        Self::read(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    /// Reads the environment, and what it lacks from the secret in Secrets Manager that `SECRETS_ARN` names, if it names
    /// one.
    ///
    /// # Errors
    /// Names the variable that is wrong.
    #[cfg(feature = "secrets")]
    pub async fn load() -> Result<Self, String> {
        let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let Some(arn) = environment("SECRETS_ARN") else { return Self::from_env() };
        // While the answer is awaited.
        crate::trust::warm_up();
        let manager = crate::secrets_manager::SecretsManager::open(&arn).await;
        Self::with_secrets(environment, manager.map_err(|error| format!("SECRETS_ARN: {error}"))?).await
    }

    /// Reads settings from `lookup`, and what that lacks from `manager`.
    ///
    /// # Errors
    /// Names the variable that is wrong.
    #[cfg(feature = "secrets")]
    pub async fn with_secrets(
        lookup: impl Fn(&str) -> Option<String>,
        manager: crate::secrets_manager::SecretsManager,
    ) -> Result<Self, String> {
        let values = manager.values().await;
        let secret = |name: &str| values.get(name).map(|value| secrecy::ExposeSecret::expose_secret(value).to_owned());
        Self::read_from(|name| lookup(name).or_else(|| secret(name)), Some(Arc::new(manager)))
    }

    /// Reads settings from `lookup`.
    ///
    /// # Errors
    /// Names the variable that is wrong.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        Self::read_from(lookup, None)
    }

    fn read_from(
        lookup: impl Fn(&str) -> Option<String>,
        secrets: Option<Arc<dyn SecretSource>>,
    ) -> Result<Self, String> {
        let or = |name: &str, default: &str| lookup(name).unwrap_or_else(|| default.to_owned());
        let page = |name: &str| match lookup(name) {
            Some(url) if !url.starts_with("http://") && !url.starts_with("https://") => {
                Err(format!("{name} must start with http:// or https://"))
            }
            url => Ok(url.map(|url| url.trim_end_matches('/').to_owned())),
        };
        let strategy = or("CONFLICT_STRATEGY", Strategy::LastWriteWins.name());
        let secret = |name: &'static str, value: SecretString| match &secrets {
            Some(source) => RotatingSecret::from_source(value, source.clone(), name),
            None => RotatingSecret::from(value),
        };
        let one = |name: &'static str, schemes: &[&str]| {
            let url = lookup(name).map(|url| checked_url(name, &url, schemes)).transpose()?;
            Ok::<_, String>(url.map(|url| secret(name, url)))
        };
        let several = |name: &str, schemes: &[&str]| {
            let urls = or(name, "");
            let urls = urls.split(',').map(str::trim).filter(|url| !url.is_empty());
            urls.map(|url| checked_url(name, url, schemes)).collect::<Result<Vec<_>, _>>()
        };
        let resend = lookup("RESEND_API_KEY").map(|key| -> Result<_, String> {
            let from = lookup("MAIL_FROM").ok_or("MAIL_FROM is not set: mails by Resend need it")?;
            Ok(ResendSettings {
                key: secret("RESEND_API_KEY", key.into()),
                from,
                url: or("RESEND_URL", "https://api.resend.com"),
            })
        });
        Ok(Self {
            resend: resend.transpose()?,
            database_url: one("DATABASE_URL", &["postgres", "postgresql"])?,
            turso_urls: several("TURSO_DATABASE_URL", &["libsql", "https", "http"])?,
            turso_token: lookup("TURSO_AUTH_TOKEN").map(|token| secret("TURSO_AUTH_TOKEN", token.into())),
            redis_url: one("REDIS_URL", &["redis", "rediss"])?,
            data: or("DATA_DIR", "./data").into(),
            public_url: page("PUBLIC_URL")?,
            product_url: page("PRODUCT_URL")?.unwrap_or_else(|| "https://sqlstudio.app".to_owned()),
            secrets: secrets.clone(),
            sentry_dsn: lookup("SENTRY_DSN").map(SecretString::from),
            jwt_secret: lookup("JWT_SECRET").map(SecretString::from),
            jwt_secret_previous: lookup("JWT_SECRET_PREVIOUS").map(SecretString::from),
            rate_limits: match or("RATE_LIMITS", "on").as_str() {
                "on" => true,
                "off" => false,
                _ => return Err("RATE_LIMITS must be on or off".to_owned()),
            },
            origins: Origins::parse(&or("CORS_ORIGINS", "localhost"))
                .map_err(|error| format!("CORS_ORIGINS: {error}"))?,
            default_strategy: Strategy::named(&strategy)
                .ok_or("CONFLICT_STRATEGY must be last_write_wins, keep_both or user_choice")?,
        })
    }

    /// How the product is called, and where its links lead.
    ///
    /// # Errors
    /// When nobody said where.
    #[cfg(feature = "mail")]
    pub fn brand(&self) -> Result<crate::mail::Brand, String> {
        let url = self.public_url.as_ref().ok_or("PUBLIC_URL is not set: the links in mails need it")?;
        Ok(crate::mail::Brand::sql_studio(&self.product_url, url))
    }

    /// The keys of access tokens.
    ///
    /// # Errors
    /// When there is no key, or one is too short.
    pub fn access_tokens(&self) -> Result<AccessTokens, String> {
        let key = |name: &str, secret| SigningKey::new(secret).map_err(|error| format!("{name}: {error}"));
        let previous = self.jwt_secret_previous.as_ref();
        let previous = previous.map(|secret| key("JWT_SECRET_PREVIOUS", secret)).transpose()?;
        let current = self.jwt_secret.as_ref().ok_or("JWT_SECRET is not set")?;
        Ok(AccessTokens::new(Keys::new(key("JWT_SECRET", current)?, previous), self.secrets.clone()))
    }
}

/// `url`, if its scheme is one of `schemes`. No message shows it, for it may hold a password.
fn checked_url(name: &str, url: &str, schemes: &[&str]) -> Result<SecretString, String> {
    let parsed = url::Url::parse(url).map_err(|error| format!("{name}: {error}"))?;
    if !schemes.contains(&parsed.scheme()) {
        return Err(format!("{name} must start with {}://", schemes.join(":// or ")));
    }
    Ok(SecretString::from(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &'static [(&str, &str)]) -> Result<Settings, String> {
        Settings::read(move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (name, pairs) in [
            ("PUBLIC_URL", &[("PUBLIC_URL", "studio.example")] as &'static [_]),
            ("PRODUCT_URL", &[("PRODUCT_URL", "javascript:alert(1)")]),
            ("RATE_LIMITS", &[("RATE_LIMITS", "none")]),
            ("CONFLICT_STRATEGY", &[("CONFLICT_STRATEGY", "mine")]),
            ("CORS_ORIGINS", &[("CORS_ORIGINS", "a\nb")]),
            ("DATABASE_URL", &[("DATABASE_URL", "mysql://ada:sesame@db.example")]),
            ("TURSO_DATABASE_URL", &[("TURSO_DATABASE_URL", "http://a.example, file:sesame")]),
            ("REDIS_URL", &[("REDIS_URL", "sesame")]),
            ("MAIL_FROM", &[("RESEND_API_KEY", "sesame")]),
        ] {
            let message = with(pairs).err().unwrap();
            assert!(message.contains(name) && !message.contains("sesame"), "{message}");
        }
    }

    #[test]
    fn there_is_no_default_key() {
        assert!(with(&[]).unwrap().access_tokens().is_err());
        assert!(with(&[("JWT_SECRET", "short")]).unwrap().access_tokens().is_err());
        assert!(with(&[("JWT_SECRET", "0123456789abcdef0123456789abcdef")]).unwrap().access_tokens().is_ok());
    }
}
