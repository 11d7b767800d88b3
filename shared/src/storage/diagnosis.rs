//! Checks of configured stores, for the person who starts the service.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// Reason for which a configured store cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// Host, port and path of the store's URL; never its user or password.
    pub address: String,
    /// Description of the failure.
    pub reason: String,
    /// Advice to the operator.
    pub remedy: &'static str,
    /// Whether nothing but the tables is missing.
    pub lacks_tables: bool,
}

impl Diagnosis {
    pub(super) fn new(url: &SecretString, reason: impl ToString, remedy: &'static str) -> Self {
        Self { address: address(url), reason: reason.to_string(), remedy, lacks_tables: false }
    }

    pub(super) fn without_tables(url: &SecretString, reason: impl ToString) -> Self {
        Self { lacks_tables: true, ..Self::new(url, reason, "create the tables with the command `migrate`") }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.address, self.reason, self.remedy)
    }
}

/// Returns host, port and path of a URL, without user and password.
pub(super) fn address(url: &SecretString) -> String {
    let Ok(url) = Url::parse(url.expose_secret()) else { return "an invalid URL".to_owned() };
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let path = url.path().trim_end_matches('/');
    format!("{}{port}{path}", url.host_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_holds_no_credentials() {
        for (url, expected) in [
            ("postgres://ada:sesame@db.example:5432/studio?sslmode=require", "db.example:5432/studio"),
            ("redis://:sesame@127.0.0.1/", "127.0.0.1"),
            ("sesame", "an invalid URL"),
        ] {
            assert_eq!(address(&SecretString::from(url)), expected);
        }
    }
}
