//! Whether a literal given to a secret's name is the secret.

use super::super::{
    names::{Name, Secret},
    value,
};

/// Words that mark a password as gone when an account is closed or data is anonymised.
const CLOSED: &[&str] = &[
    "deleted",
    "disabled",
    "locked",
    "invalid",
    "expired",
    "revoked",
    "unknown",
    "n",
    "y",
    "*",
    "!",
    "!!",
    "test_mode",
    "x",
    "np",
    "*lk*",
    "unused",
    "nologin",
    "sso",
    "ldap",
    "oauth",
];

/// Whether a statement that sets a password (`CREATE USER … PASSWORD '…'`) sets this one.
/// Hashes count: whoever holds the hash of a role can give it to another.
pub(super) fn is_set(text: &str) -> bool {
    !value::is_placeholder(text)
}

/// Whether a literal assigned to, compared with or inserted into a column is a secret.
pub(super) fn is_secret(name: Name, text: &str) -> bool {
    let text = text.trim();
    let closed = CLOSED.iter().any(|word| text.eq_ignore_ascii_case(word));
    let first = text.split(' ').next().unwrap_or_default();
    let prose = text.contains(' ') && value::is_status_word(first);
    if value::is_placeholder(text) || closed || prose || text.starts_with("{{") {
        return false;
    }
    if name.weak {
        return value::is_long_opaque(text) && !value::is_path(text);
    }
    if name.hashed && (value::is_hash(text) || text.to_lowercase().contains("hash") || text.len() > 30) {
        return false;
    }
    match name.secret {
        Secret::Password | Secret::Passphrase => {
            let elsewhere = name.directory && value::is_path(text);
            let prefix = is_unfinished(text) && !value::is_opaque(text);
            !(elsewhere || prefix || value::is_hash(text) || is_scheme(text) || is_type(text))
        }
        Secret::Token => text.len() > 5 && !is_word(text) && !is_unfinished(text) && !text.contains(' '),
        Secret::Key => !is_word(text) && !is_unfinished(text) && !text.contains(' ') && !value::is_path(text),
        Secret::Credentials => value::is_opaque(text),
        Secret::Secret => text.len() > 1 && !text.contains(' ') && !is_unfinished(text) && !is_type(text),
        Secret::PrivateKey => !value::is_path(text) && !is_word(text),
    }
}

/// `$2y$`, `2a`, `sha1$`: what a hash begins with.
fn is_scheme(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_$".contains(&b));
    let marked = text.starts_with('$') && text.len() < 5 || text.ends_with('$');
    plain && text.len() < 16 && (marked || text.len() < 3)
}

/// A plain word: the kind of a token or its symbol, not the token.
fn is_word(text: &str) -> bool {
    text.len() < 16 && text.chars().all(|c| c.is_alphabetic() || matches!(c, '_' | '-' | '\''))
        || is_dotted(text)
        || is_type(text)
}

/// `color.primary.500`: a token of a design.
fn is_dotted(text: &str) -> bool {
    let part =
        |part: &str| part.len() < 16 && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    text.contains('.') && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.split('.').all(part)
}

/// `'tok_' || …`: a prefix.
fn is_unfinished(text: &str) -> bool {
    text.len() < 12 && text.ends_with(['_', '-', ':', '%'])
}

/// A type or a field path where a schema or a projection is written.
fn is_type(text: &str) -> bool {
    let path = text
        .strip_prefix('$')
        .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '.' | '_')));
    path || matches!(
        text,
        "string" | "String" | "text" | "objectId" | "binData" | "keyword" | "hashed" | "int" | "number"
    )
}
