//! Splits names into words.

use crate::{
    rules::{NAMES, words},
    text::has_name,
};

/// The name in lower case with `_` between its words.
pub(super) fn space(name: &str) -> String {
    let mut spaced = String::with_capacity(name.len() + 8);
    let mut before = '_';
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        let lower_next = chars.peek().is_some_and(|next| next.is_lowercase());
        let hump = c.is_uppercase()
            && (before.is_lowercase() || before.is_ascii_digit() || before.is_uppercase() && lower_next);
        if hump || !c.is_alphanumeric() {
            spaced.push('_');
        }
        if c.is_alphanumeric() {
            spaced.extend(c.to_lowercase());
        }
        before = c;
    }
    spaced
}

/// The words of a name, without digits at their ends, cut into their parts if they are written
/// together (`dbpassword`, `apikey`).
pub(super) fn split(spaced: &str) -> Vec<&str> {
    let mut words = Vec::with_capacity(8);
    for word in spaced.split(|c: char| !c.is_alphanumeric()) {
        let word = match word {
            "base64" | "b64" | "ed25519" | "erc20" => word,
            _ => word.trim_end_matches(|c: char| c.is_ascii_digit()),
        };
        match cut(word) {
            Some((head, core, tail)) => words.extend([head, core, tail].into_iter().filter(|part| !part.is_empty())),
            None if word.is_empty() => {}
            None => words.push(word),
        }
    }
    words
}

/// Cuts a word that is written together into what comes before the secret, the secret, the rest.
fn cut(word: &str) -> Option<(&str, &str, &str)> {
    const ANYWHERE: &[&str] =
        &["passwords", "password", "passwd", "passphrase", "credentials", "credential", "passwort"];
    const WITH_KNOWN_REST: &[&str] = &["tokens", "token", "secrets", "secret", "pwd", "jwt"];
    if word.len() < 5 || NAMES.contains_key(word) || !has_name(word) {
        return None;
    }
    let parts = |core: &&'static str| {
        // Words are short, and `str::find` prepares for long ones.
        let at = word.as_bytes().windows(core.len()).position(|part| part == core.as_bytes())?;
        Some((&word[..at], *core, &word[at + core.len()..]))
    };
    if let Some(found) = ANYWHERE.iter().find_map(parts) {
        return Some(found);
    }
    let known = |rest: &str| {
        matches!(rest, "" | "key" | "keys") || words::ABOUT.contains(rest) || words::NEUTRAL.contains(rest)
    };
    if let Some(found) = WITH_KNOWN_REST.iter().filter_map(parts).find(|(_, _, tail)| known(tail)) {
        return Some(found);
    }
    for end in ["pass", "pw"] {
        if let Some(head) = word.strip_suffix(end)
            && words::OWNERS.contains(head)
        {
            return Some((head, end, ""));
        }
    }
    cut_key(word)
}

/// `apikey`, `sshkey`, `secretaccesskey`: the word before `key` decides.
fn cut_key(word: &str) -> Option<(&str, &str, &str)> {
    let (head, core) =
        word.strip_suffix("keys").map(|h| (h, "keys")).or_else(|| word.strip_suffix("key").map(|h| (h, "key")))?;
    let qualifier = (words::KEYS.iter().chain(words::PRIVATE_KEYS.iter()).chain(words::WEAK_KEYS.iter()))
        .find(|known| head == *known || known.len() > 4 && head.ends_with(known));
    qualifier.map(|known| (known, core, ""))
}
