//! Passwords in data breaches, by Have I Been Pwned (<https://haveibeenpwned.com/API/v3#PwnedPasswords>).

use std::time::Duration;

use reqwest::{Client, Response};
use secrecy::{ExposeSecret, SecretString};
use sha1::{Digest, Sha1};
use tokio::time::timeout;

use crate::config::BreachConfig;
use crate::{http_client, telemetry};

/// Deadline of a lookup. It bounds the delay of a sign-up.
const DEADLINE: Duration = Duration::from_secs(2);

/// Number of hexadecimal digits of a hash that are sent. Hundreds of passwords share them, so the service does not learn the password.
const PREFIX_DIGITS: usize = 5;

/// Maximum size of an answer, in bytes: several times that of one with padding.
const MAX_ANSWER_BYTES: usize = 512 * 1024;

/// Looks up passwords in the list of breached ones.
#[derive(Clone)]
pub struct BreachedPasswords {
    client: Client,
    ranges: String,
}

impl BreachedPasswords {
    /// Asks the service that `config` names.
    ///
    /// # Errors
    /// If the HTTP client cannot be built.
    pub fn new(config: &BreachConfig) -> reqwest::Result<Self> {
        Ok(Self { client: http_client::new()?, ranges: format!("{}/range", config.url) })
    }

    /// Returns whether `password` is known from a breach. False, logged and counted, if the service does not answer in time: an outage
    /// must not block sign-ups.
    pub async fn contains(&self, password: &SecretString) -> bool {
        let hash = hex::encode_upper(Sha1::digest(password.expose_secret().as_bytes()));
        let (prefix, rest) = hash.split_at(PREFIX_DIGITS);
        match timeout(DEADLINE, self.range(prefix)).await {
            Ok(Ok(range)) => is_listed(&range, rest),
            Ok(Err(error)) => failed(&http_client::describe(error)),
            Err(_) => failed("deadline exceeded"),
        }
    }

    /// Returns the hashes that begin with `prefix`, one per line, without it and with the number of their breaches.
    async fn range(&self, prefix: &str) -> reqwest::Result<String> {
        // Padding hides the number of hashes from an observer of the encrypted response.
        let request = self.client.get(format!("{}/{prefix}", self.ranges)).header("Add-Padding", "true");
        bounded_text(request.send().await?.error_for_status()?).await
    }
}

async fn bounded_text(mut response: Response) -> reqwest::Result<String> {
    let mut bytes = Vec::new();
    while bytes.len() < MAX_ANSWER_BYTES {
        let Some(chunk) = response.chunk().await? else { break };
        bytes.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether `range` has the hash that ends with `rest`. A line of padding has a count of 0.
fn is_listed(range: &str, rest: &str) -> bool {
    let entries = range.lines().filter_map(|line| line.split_once(':'));
    entries.into_iter().any(|(hash, count)| hash.eq_ignore_ascii_case(rest) && count.trim() != "0")
}

fn failed(error: &str) -> bool {
    telemetry::count("breach_check_failures", 1);
    tracing::warn!(error, "breached passwords could not be checked");
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_a_count_are_listed() {
        let range = "0018A45C4D1DEF81644B54AB7F969B88D65:10\r\n00D4F6E8FA6EECAD2A3AA415EEC418D38EC:2\r\n0000000000000000000000000000000000F:0";
        assert!(is_listed(range, "00D4F6E8FA6EECAD2A3AA415EEC418D38EC"));
        for other in ["0000000000000000000000000000000000F", "00D4F6E8FA6EECAD2A3AA415EEC418D38E", "", "10"] {
            assert!(!is_listed(range, other), "{other}");
        }
        assert!(!is_listed("", "00D4F6E8FA6EECAD2A3AA415EEC418D38EC"));
    }
}
