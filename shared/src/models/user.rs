use std::fmt;
use std::str::FromStr;

use caseless::Caseless;
use email_address::Options;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use unicode_security::skeleton;
use utoipa::ToSchema;

use super::{DatabaseId, InvalidValue, Timestamp, UserId, is_visible, limits};

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
    /// Database of the user's sync data, if that is recorded.
    pub database: Option<DatabaseId>,
}

/// A user name: 1 to 64 visible characters of any script, in Unicode normalisation form NFKC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username(String);

/// Names that seem to speak for the service or its operator. Names that look like one of them are reserved, too.
const RESERVED_NAMES: [&str; 22] = [
    "abuse",
    "admin",
    "administrator",
    "anonymous",
    "help",
    "helpdesk",
    "hostmaster",
    "info",
    "moderator",
    "noreply",
    "official",
    "operator",
    "postmaster",
    "root",
    "security",
    "sqlstudio",
    "staff",
    "superuser",
    "support",
    "sysadmin",
    "system",
    "webmaster",
];

impl Username {
    /// Normalises and checks a name. A name has no `@`, because login also accepts email addresses.
    ///
    /// # Errors
    /// Fails if `text` violates a rule for user names.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        let wrong_length = || InvalidValue::new(format!("must have 1 to {} characters", limits::USERNAME_CHARS));
        if is_too_long_to_normalise(text) {
            return Err(wrong_length());
        }
        let name: String = text.nfkc().take(limits::USERNAME_CHARS + 1).collect();
        if !(1..=limits::USERNAME_CHARS).contains(&name.chars().count()) {
            Err(wrong_length())
        } else if name.contains('@') {
            Err(InvalidValue::new("must not contain an @"))
        } else if !name.chars().all(is_visible) {
            Err(InvalidValue::new("must not contain control characters or invisible ones"))
        } else if name.trim() != name {
            Err(InvalidValue::new("must not start or end with white space"))
        } else if is_reserved(&name) {
            Err(InvalidValue::new("is reserved; choose another name"))
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

    /// Returns the part before the `@`.
    pub fn local_part(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(local_part, _)| local_part)
    }

    /// Returns the key of the mailbox, and whether the address is another form of it. Forms that mail servers may deliver to one mailbox
    /// have one key: with tags (RFC 5233), in another width, quoted, or with invisible characters.
    pub fn mailbox(&self) -> (String, bool) {
        let key: String = caseless_key(&self.0).chars().filter(|c| is_visible(*c)).collect();
        let Some((local_part, domain)) = key.rsplit_once('@') else { return (key, false) };
        let unquoted = local_part.strip_prefix('"').and_then(|quoted| quoted.strip_suffix('"'));
        let local_part = unquoted.map_or_else(|| local_part.to_owned(), |quoted| quoted.replace('\\', ""));
        let name = local_part.split('+').find(|name| !name.is_empty()).unwrap_or(&local_part);
        let mailbox = format!("{name}@{domain}");
        let is_another_form = mailbox != self.key();
        (mailbox, is_another_form)
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

/// Whether `text` is longer than any user name or email address.
fn is_too_long_to_normalise(text: &str) -> bool {
    text.chars().nth(limits::LOGIN_CHARS).is_some()
}

/// Returns the compatibility caseless form of `text` (The Unicode Standard, 3.13, D146).
pub(crate) fn caseless_key(text: &str) -> String {
    text.nfd().default_case_fold().nfkd().default_case_fold().nfkd().collect()
}

/// Returns the canonical caseless form of `text` (D145). Unlike in user names, look-alike characters stay distinct, because
/// they address different mailboxes.
fn email_key(text: &str) -> String {
    text.nfd().default_case_fold().nfd().collect()
}

/// Whether `name` looks like a reserved name (UTS #39 §4), punctuation and white space aside.
fn is_reserved(name: &str) -> bool {
    let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    let look = |text: &str| caseless_key(&skeleton(&letters(text)).collect::<String>());
    // A capital I looks like a small l.
    let looks = [look(name), look(&caseless_key(name))];
    RESERVED_NAMES.iter().any(|reserved| looks.contains(&look(reserved)))
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
    type Err = InvalidValue;

    /// # Errors
    /// Fails if `text` is longer than any name or address.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_too_long_to_normalise(text) {
            return Err(InvalidValue::new(format!("must have at most {} characters", limits::LOGIN_CHARS)));
        }
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
        for invisible in
            ['\u{ad}', '\u{200b}', '\u{200d}', '\u{202e}', '\u{2066}', '\u{3164}', '\u{fe0f}', '\u{feff}', '\u{e000}']
        {
            assert!(Username::parse(&format!("a{invisible}da")).is_err(), "{invisible:?}");
        }
        for name in ["界".repeat(64), "Zoë".to_owned(), "हिन्दी".to_owned(), "ada 🦀".to_owned()] {
            assert!(Username::parse(&name).is_ok(), "{name}");
        }
    }

    #[test]
    fn reserved_names_and_names_that_look_like_them_are_rejected() {
        for name in [
            "admin",
            "ADMIN",
            "ad.min",
            "a d m i n",
            "\u{430}dmin",
            "adrnin",
            "rооt",
            "r00t",
            "heIp",
            "officiaI",
            "SQL Studio",
            "No-Reply",
        ] {
            assert!(Username::parse(name).is_err(), "{name}");
        }
        for name in ["admiral", "rooted", "adm1nistration", "studio"] {
            assert!(Username::parse(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn long_texts_are_not_normalised() {
        let expensive = "\u{fdfa}".repeat(2_000_000);
        let started = std::time::Instant::now();
        assert!(expensive.parse::<Login>().is_err() && Username::parse(&expensive).is_err());
        assert!(started.elapsed() < std::time::Duration::from_millis(100));
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

    #[test]
    fn tagged_forms_of_an_address_are_one_mailbox() {
        let mailbox = |address: &str| EmailAddress::parse(address).unwrap().mailbox();
        for form in [
            "ada+1@example.com",
            "ADA+sql+studio@Example.com",
            "ada+@example.com",
            r#""a\da"@example.com"#,
            "a\u{ad}da@example.com",
        ] {
            assert_eq!(mailbox(form), ("ada@example.com".to_owned(), true), "{form}");
        }
        assert_eq!(mailbox("Ada@example.com"), ("ada@example.com".to_owned(), false));
        assert_ne!(mailbox("ada@example.com"), mailbox("ada@example.org"));
        assert_ne!(mailbox("+1@example.com"), mailbox("+2@example.com"));
    }
}
