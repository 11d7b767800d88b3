//! Words that tell about a secret where it could stand, and made-up words that do not.

use super::shape::{is_measure, is_opaque};
use crate::{names, rules::words};

/// A word that tells about a password ("required", "expired") where the password could stand.
pub(crate) fn is_status_word(value: &str) -> bool {
    let lower = value.to_lowercase();
    let lower = lower.trim_end_matches(['.', ',', ';', ':', '!', '?', ')']);
    // "case-sensitive", "see-below"
    let head = lower.split('-').next().unwrap_or_default();
    let joined = head.len() < lower.len()
        && ["see", "case", "ask", "not", "non", "read", "write", "to", "per", "self", "sops", "vault"].contains(&head);
    lower.is_empty()
        || joined
        || words::STATUS.contains(lower)
        || words::STATUS_IN_OTHER_LANGUAGES.contains(lower)
        || words::KEPT.contains(lower)
        || words::NOTHING.contains(lower)
        || words::TECHNICAL.contains(lower)
        || is_measure(lower)
}

/// "Password", "Your password": what a form shows.
pub(crate) fn is_label(value: &str) -> bool {
    let mut chars = value.chars();
    let capital = chars.next().is_some_and(char::is_uppercase);
    let rest_is_plain = chars.all(|c| c.is_lowercase() || c == ' ');
    let lower = value.to_lowercase();
    capital
        && rest_is_plain
        && (names::classify(value).is_some()
            || ["password", "token", "key", "secret", "passwort", "passphrase"].iter().any(|word| lower.contains(word)))
}

/// "Weiden-Sperling", "Wach.Holder.Drossel": words with capitals put together, as people make passwords up. What continues a
/// sentence (`case-sensitive`) has none.
pub(crate) fn is_coined(value: &str) -> bool {
    let mut parts = value.split(['-', '_', '.']);
    let capital = |part: &str| {
        part.chars().count() > 3
            && part.starts_with(char::is_uppercase)
            && part.chars().skip(1).all(char::is_lowercase)
            && !is_status_word(part)
    };
    let two = parts.clone().filter(|part| capital(part)).count() > 1;
    two && parts.all(|part| !part.is_empty() && part.chars().all(char::is_alphabetic))
}

/// Opaque, or ends in the sign that a password rule asks for (`Herbst!`): enough where a password is expected.
pub(crate) fn is_password_like(value: &str) -> bool {
    is_opaque(value) || value.len() > 5 && !value.contains(' ') && value.ends_with(['!', '?', '#', '$', '%', '*', '+'])
}
