use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser may remember a preflight's answer.
const MAX_AGE: Duration = Duration::from_secs(3_600);

/// Which web pages may call the API.
#[derive(Debug, Clone)]
pub enum Origins {
    /// Every page of this machine, on any port: for development.
    Localhost,
    /// These, exactly.
    Listed(Vec<HeaderValue>),
}

impl Origins {
    /// Reads a comma-separated list, or `localhost`.
    ///
    /// # Errors
    /// Names the entry that no header can hold.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "localhost" {
            return Ok(Self::Localhost);
        }
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let parse = |entry: &str| entry.parse().map_err(|_| format!("{entry} is no origin"));
        Ok(Self::Listed(entries.map(parse).collect::<Result<_, _>>()?))
    }

    fn allow(&self) -> AllowOrigin {
        match self {
            Self::Localhost => AllowOrigin::predicate(|origin, _| origin.to_str().is_ok_and(is_localhost)),
            Self::Listed(origins) => AllowOrigin::list(origins.iter().cloned()),
        }
    }
}

fn is_localhost(origin: &str) -> bool {
    let Some(host) = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")) else { return false };
    let host = match host.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => host,
    };
    matches!(host, "localhost" | "127.0.0.1" | "[::1]") || host.ends_with(".localhost")
}

/// Answers preflights and marks answers for the browser.
pub fn cors(origins: &Origins) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(origins.allow())
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::CONTENT_ENCODING,
            HeaderName::from_static("x-api-key"),
            HeaderName::from_static("x-client-version"),
        ])
        .expose_headers([
            HeaderName::from_static("x-request-id"),
            HeaderName::from_static("ratelimit-limit"),
            HeaderName::from_static("ratelimit-remaining"),
            HeaderName::from_static("ratelimit-reset"),
            header::RETRY_AFTER,
        ])
        .max_age(MAX_AGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_localhost() {
        for origin in [
            "http://localhost",
            "http://localhost:3000",
            "https://127.0.0.1:8443",
            "http://[::1]:5173",
            "http://app.localhost:80",
        ] {
            assert!(is_localhost(origin), "{origin}");
        }
        for origin in [
            "null",
            "http://example.com",
            "http://localhost.example.com",
            "http://evil-localhost:80",
            "file://localhost",
        ] {
            assert!(!is_localhost(origin), "{origin}");
        }
    }
}
