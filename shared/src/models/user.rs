use std::fmt;
use std::str::FromStr;

use caseless::Caseless;
use email_address::Options;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use utoipa::ToSchema;

use super::{InvalidValue, Timestamp, UserId, limits};

/// Role of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May synchronise their own data.
    User,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Id of the account.
    pub id: UserId,
    /// User name.
    pub username: Username,
    /// Email address.
    pub email: EmailAddress,
    /// Time at which the user verified the email address; `None` if they have not.
    pub email_verified_at: Option<Timestamp>,
    /// Time of the sign-up.
    pub created_at: Timestamp,
}

/// A user name: 1 to 64 characters of any script, in Unicode normalisation form NFKC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    /// Normalises and checks a name. A name has no `@`, because login also accepts email addresses.
    ///
    /// # Errors
    /// Fails if `text` violates a rule for user names.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        let name: String = text.nfkc().take(limits::USERNAME_CHARS + 1).collect();
        let length = name.chars().count();
        if length == 0 || length > limits::USERNAME_CHARS {
            Err(InvalidValue::new(format!("must have 1 to {} characters", limits::USERNAME_CHARS)))
        } else if name.contains('@') {
            Err(InvalidValue::new("must not contain an @"))
        } else if name.chars().any(char::is_control) {
            Err(InvalidValue::new("must not contain control characters"))
        } else if name.trim() != name {
            Err(InvalidValue::new("must not start or end with white space"))
        } else {
            Ok(Self(name))
        }
    }

    /// Wraps a name that comes from a store, without checking it.
    pub fn new_unchecked(text: String) -> Self {
        Self(text)
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the key for lookups: names that differ only in case have the same key.
    pub fn key(&self) -> String {
        caseless_key(&self.0)
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An email address, which may contain any Unicode (RFC 6531), as the user typed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Checks an address.
    ///
    /// # Errors
    /// Fails if `text` is not an email address.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        if text.len() > limits::EMAIL_BYTES {
            return Err(InvalidValue::new(format!("must have at most {} bytes", limits::EMAIL_BYTES)));
        }
        // RFC 5321 allows these characters inside quotes, but they could break a header or a log line.
        let breaks_header = |c: char| c.is_control() || c.is_whitespace() || c == '<' || c == '>';
        if text.contains(breaks_header) || !is_address(text) {
            return Err(InvalidValue::new("must be an email address such as name@example.com"));
        }
        Ok(Self(text.to_owned()))
    }

    /// Wraps an address that comes from a store, without checking it.
    pub fn new_unchecked(text: String) -> Self {
        Self(text)
    }

    /// Returns the address as the user typed it. Email is sent to this form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the key for lookups: addresses that differ only in case have the same key.
    pub fn key(&self) -> String {
        email_key(&self.0)
    }
}

/// Whether `text` is an address by RFC 5321, extended by RFC 6531. Beyond ASCII, the library accepts only letters and
/// digits, but the local part may contain any character. So the local part is checked with an `x` for each of them.
fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let ascii: String = local.chars().map(|c| if c.is_ascii() { c } else { 'x' }).collect();
    let options = Options::default().without_display_text().without_domain_literal();
    local.len() <= limits::EMAIL_LOCAL_BYTES
        && email_address::EmailAddress::parse_with_options(&format!("{ascii}@{domain}"), options).is_ok()
}

/// Returns the compatibility caseless form of `text` (The Unicode Standard, 3.13, D146).
fn caseless_key(text: &str) -> String {
    text.nfd().default_case_fold().nfkd().default_case_fold().nfkd().collect()
}

/// Returns the canonical caseless form of `text` (D145). Unlike in user names, look-alike characters stay distinct, because
/// they address different mailboxes.
fn email_key(text: &str) -> String {
    text.nfd().default_case_fold().nfd().collect()
}

/// Lookup key of a login. A text with an `@` is an email address; any other is a user name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// Key of a user name.
    Username(String),
    /// Key of an email address.
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
    fn user_names_of_any_script_are_case_insensitive() {
        for (one, other) in [("Ada", "aDA"), ("ＡＤＡ", "ada"), ("STRASSE", "straße"), ("Ὀδυσσεύς", "ὀδυσσεύσ")]
        {
            assert_eq!(Username::parse(one).unwrap().key(), Username::parse(other).unwrap().key(), "{one} {other}");
        }
    }

    #[test]
    fn misleading_user_names_are_rejected() {
        for name in ["", " ada", "ada\u{3000}", "a@b", "a\nb", "a\0b", &"x".repeat(65)] {
            assert!(Username::parse(name).is_err(), "{name:?}");
        }
        assert!(Username::parse(&"界".repeat(64)).is_ok());
    }

    #[test]
    fn addresses_may_contain_any_unicode_but_no_header_break() {
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
