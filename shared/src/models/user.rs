use std::fmt;
use std::str::FromStr;

use caseless::Caseless;
use email_address::Options;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use utoipa::ToSchema;

use super::{Timestamp, UserId, limits};

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Synchronise their own data.
    User,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// The user's name.
    pub username: Username,
    /// The user's address.
    pub email: EmailAddress,
    /// When the user showed that the address is theirs.
    pub email_verified_at: Option<Timestamp>,
    /// When they signed up.
    pub created_at: Timestamp,
}

/// A user name: 1 to 64 characters of any script in Unicode's NFKC form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    /// Normalises and checks a name.
    ///
    /// # Errors
    /// Says what a name must be. `@` would make it look like an e-mail address, which is also accepted at login.
    pub fn parse(text: &str) -> Result<Self, String> {
        let name: String = text.nfkc().take(limits::USERNAME_CHARS + 1).collect();
        let length = name.chars().count();
        if length == 0 || length > limits::USERNAME_CHARS {
            Err(format!("must have 1 to {} characters", limits::USERNAME_CHARS))
        } else if name.contains('@') {
            Err("must not hold an @".to_owned())
        } else if name.chars().any(char::is_control) {
            Err("must not hold control characters".to_owned())
        } else if name.trim() != name {
            Err("must not start or end with white space".to_owned())
        } else {
            Ok(Self(name))
        }
    }

    /// A name that comes from the store.
    pub fn trusted(text: String) -> Self {
        Self(text)
    }

    /// The name as it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What two names have in common that differ in case alone.
    pub fn key(&self) -> String {
        caseless_key(&self.0)
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An e-mail address, which may hold any Unicode (RFC 6531), kept as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Checks an address.
    ///
    /// # Errors
    /// Says what an address must be.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > limits::EMAIL_BYTES {
            return Err(format!("must have at most {} bytes", limits::EMAIL_BYTES));
        }
        // A header or a log line must not be broken by an address, whatever its grammar allows inside quotes.
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '<' || c == '>') {
            return Err("must be an e-mail address such as name@example.com".to_owned());
        }
        if is_address(text) {
            return Ok(Self(text.to_owned()));
        }
        Err("must be an e-mail address such as name@example.com".to_owned())
    }

    /// An address that comes from the store.
    pub fn trusted(text: String) -> Self {
        Self(text)
    }

    /// The address as typed, which is where mail goes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What two addresses have in common that differ in case alone.
    pub fn key(&self) -> String {
        email_key(&self.0)
    }
}

/// Whether `text` is an address by RFC 5321, extended by RFC 6531. The library takes only letters and digits for what lies
/// beyond ASCII; left of the `@` any character does.
fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let ascii: String = local.chars().map(|c| if c.is_ascii() { c } else { 'x' }).collect();
    let options = Options::default().without_display_text().without_domain_literal();
    local.len() <= limits::EMAIL_LOCAL_BYTES
        && email_address::EmailAddress::parse_with_options(&format!("{ascii}@{domain}"), options).is_ok()
}

/// Unicode's compatibility caseless form (The Unicode Standard, 3.13, D146).
fn caseless_key(text: &str) -> String {
    text.nfd().default_case_fold().nfkd().default_case_fold().nfkd().collect()
}

/// Unicode's canonical caseless form (D145): unlike in names, look-alike characters are different mailboxes.
fn email_key(text: &str) -> String {
    text.nfd().default_case_fold().nfd().collect()
}

/// What a login is by: a name, or what holds an `@` and so must be an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// The key of a user name.
    Username(String),
    /// The key of an e-mail address.
    Email(String),
}

impl FromStr for Login {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text.contains('@') { Self::Email(email_key(text)) } else { Self::Username(caseless_key(text)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_of_any_script_are_compared_without_case() {
        for (one, other) in [("Ada", "aDA"), ("ＡＤＡ", "ada"), ("STRASSE", "straße"), ("Ὀδυσσεύς", "ὀδυσσεύσ")]
        {
            assert_eq!(Username::parse(one).unwrap().key(), Username::parse(other).unwrap().key(), "{one} {other}");
        }
    }

    #[test]
    fn user_names_that_mislead_are_refused() {
        for name in ["", " ada", "ada\u{3000}", "a@b", "a\nb", "a\0b", &"x".repeat(65)] {
            assert!(Username::parse(name).is_err(), "{name:?}");
        }
        assert!(Username::parse(&"界".repeat(64)).is_ok());
    }

    #[test]
    fn addresses_may_hold_any_unicode_but_no_header_break() {
        for address in
            ["ada@example.com", "δοκιμή@παράδειγμα.δοκιμή", "用户@例子.公司", "a+b@localhost", "o'hara@example.ie"]
        {
            assert!(EmailAddress::parse(address).is_ok(), "{address}");
        }
        for address in
            ["", "ada", "ada@", "@example.com", "a b@example.com", "a@example.com\r\nBcc: x@y.z", "Ada <a@example.com>"]
        {
            assert!(EmailAddress::parse(address).is_err(), "{address:?}");
        }
    }
}
