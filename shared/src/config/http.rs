use http::HeaderValue;
use url::Url;

use super::{ConfigError, Env};

/// Access to the API from browsers, and rate limits.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// `CORS_ORIGINS`: web pages that may call the API. Default `localhost`.
    pub allowed_origins: AllowedOrigins,
    /// `RATE_LIMITS`: `on` (default), or `off` for load tests.
    pub rate_limits: bool,
    /// Whether clients use HTTPS: behind API Gateway always, otherwise if `PUBLIC_URL` says so.
    pub https: bool,
}

/// Origins (RFC 6454) of web pages that may call the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// Every origin on this machine, on any port: for development.
    Localhost,
    /// Exactly these.
    Listed(Vec<HeaderValue>),
}

impl HttpConfig {
    /// Reads the settings.
    ///
    /// # Errors
    /// When one of them is invalid.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let rate_limits = env.switch("RATE_LIMITS", "on")?;
        let https = env.get("AWS_LAMBDA_FUNCTION_NAME").is_some()
            || env.get("PUBLIC_URL").is_some_and(|url| url.starts_with("https://"));
        Ok(Self { allowed_origins: AllowedOrigins::from_env(env)?, rate_limits, https })
    }
}

impl AllowedOrigins {
    fn from_env(env: &Env) -> Result<Self, ConfigError> {
        const VARIABLE: &str = "CORS_ORIGINS";
        let list = env.get_or(VARIABLE, "localhost");
        if list == "localhost" {
            return Ok(Self::Localhost);
        }
        let expected = "localhost, or origins such as https://app.example.com, separated by commas";
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let origins = entries.map(|entry| origin(entry).ok_or_else(|| ConfigError::invalid(VARIABLE, entry, expected)));
        Ok(Self::Listed(origins.collect::<Result<_, _>>()?))
    }
}

/// Returns `text` as a header value if it is an origin as browsers send it: a scheme, a host, a port unless it is the
/// default, and nothing else. Applications may have schemes of their own, such as `tauri://localhost`. `*` is no origin: it
/// would let every web page read the responses to its visitors.
fn origin(text: &str) -> Option<HeaderValue> {
    let url = Url::parse(text).ok()?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let serialized = format!("{}://{}{port}", url.scheme(), url.host_str()?);
    (serialized == text).then(|| HeaderValue::from_str(text).ok())?
}
