//! Whether a literal given to a secret's name is the secret.

use crate::{
    names::Name,
    rules::{RuleId, SecretKind, rule, words},
    value,
};

/// Whether a literal assigned to, compared with or inserted into a column is a secret.
pub(crate) fn is_secret(name: Name, text: &str) -> bool {
    let text = text.trim();
    let closed = words::CLOSED.contains_any_case(text);
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
        SecretKind::Password | SecretKind::Passphrase => {
            let elsewhere = name.directory && value::is_path(text);
            let prefix = is_unfinished(text) && !value::is_opaque(text);
            !(elsewhere || prefix || value::is_hash(text) || is_scheme(text) || is_type(text))
        }
        SecretKind::Token if value::is_chain_address(text) => false,
        SecretKind::Token => text.len() > 5 && !is_word(text) && !is_unfinished(text) && !text.contains(' '),
        SecretKind::Key => !is_word(text) && !is_unfinished(text) && !text.contains(' ') && !value::is_path(text),
        SecretKind::Credentials => value::is_opaque(text),
        SecretKind::Secret => text.len() > 1 && !text.contains(' ') && !is_unfinished(text) && !is_type(text),
        SecretKind::PrivateKey => !value::is_path(text) && !is_word(text),
    }
}

/// The rule of a literal that is given to a name.
pub(crate) fn rule_of(name: Name) -> RuleId {
    match name.secret {
        SecretKind::Password => rule::LITERAL_PASSWORD,
        SecretKind::Passphrase => rule::LITERAL_PASSPHRASE,
        SecretKind::PrivateKey | SecretKind::Key => rule::LITERAL_KEY,
        SecretKind::Token => rule::LITERAL_TOKEN,
        SecretKind::Secret => rule::LITERAL_SECRET,
        SecretKind::Credentials => rule::LITERAL_CREDENTIALS,
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
