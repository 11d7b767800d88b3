//! Shapes of values: what looks made up, generated, hashed or like a path.

use crate::rules::words;

/// Whether `value` looks made up rather than written as a word: letters mixed with digits or
/// with the signs that password rules ask for.
pub(crate) fn is_opaque(value: &str) -> bool {
    if value.chars().nth(3).is_none() || value.contains(char::is_whitespace) {
        return false;
    }
    let is_mark =
        |c: char| c.is_ascii_digit() || matches!(c, '!' | '@' | '#' | '$' | '%' | '^' | '&' | '*' | '+' | '?' | '~');
    // Most words are ruled out here, without a copy in lower case.
    if !value.contains(is_mark) || !value.contains(char::is_alphabetic) {
        return false;
    }
    let lower = value.to_ascii_lowercase();
    let lower = lower.trim_end_matches(['.', ',', ';', ':', '!', '?', ')']);
    // `base64-encoded`
    let described = lower
        .split_once('-')
        .is_some_and(|(head, tail)| words::TECHNICAL.contains(head) && tail.bytes().all(|b| b.is_ascii_lowercase()));
    if words::TECHNICAL.contains(lower) || words::KEPT.contains(lower) || is_measure(lower) || described {
        return false;
    }
    // A sign at the end of a word ends a sentence.
    lower.contains(is_mark)
}

/// Opaque and long enough to be a generated key.
pub(crate) fn is_long_opaque(value: &str) -> bool {
    value.len() >= 16
        && !value.contains(char::is_whitespace)
        && value.chars().any(|c| c.is_ascii_digit())
        && value.chars().any(char::is_alphabetic)
}

/// Whether `value` is the output of a password hash or digest.
pub(crate) fn is_hash(value: &str) -> bool {
    let hex =
        |text: &str| text.len() >= 32 && text.len().is_multiple_of(2) && text.bytes().all(|b| b.is_ascii_hexdigit());
    let value = value.trim();
    words::HASH_PREFIXES.iter().any(|start| value.starts_with(start) && value.len() > start.len() + 1)
        || hex(value)
        // With a salt behind it, or before it.
        || value.split(':').take(3).any(hex)
        || value.strip_prefix("md5").is_some_and(hex)
        || value.strip_prefix('*').is_some_and(hex)
        || value.strip_prefix("\\x").is_some_and(hex)
}

/// Whether `value` is the path of a file, which says where a key is but not what it is.
pub(crate) fn is_path(value: &str) -> bool {
    let value = value.trim();
    let drive =
        value.as_bytes().get(1) == Some(&b':') && value.as_bytes().get(2).is_some_and(|b| matches!(b, b'\\' | b'/'));
    let rooted = value.starts_with('/') && value.len() > 1
        || value.starts_with("~/")
        || value.starts_with("./")
        || value.starts_with("../")
        || value.starts_with("%USERPROFILE%")
        || value.starts_with("$HOME/")
        || value.starts_with("\\\\");
    let file = [".pem", ".key", ".ppk", ".crt", ".p12", ".pfx", ".jks", ".der"].iter().any(|end| value.ends_with(end));
    (drive || rooted || file) && !value.contains('\n') && !value.contains("==")
}

/// "24h", "90days", "8-chars", "2024-01-01t00": amounts and dates.
pub(super) fn is_measure(lower: &str) -> bool {
    let rest = lower.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let digits = lower.len() - rest.len();
    let unit = rest.trim_start_matches(['-', '+', '_']);
    digits > 0 && words::UNITS.contains(unit)
        || digits == 4 && rest.starts_with('-') && rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit)
}

/// Address or transaction on a blockchain (20 or 32 bytes in hex), of which a token there is one.
pub(crate) fn is_chain_address(text: &str) -> bool {
    let hex = text.strip_prefix("0x").unwrap_or_default();
    matches!(hex.len(), 40 | 64) && hex.bytes().all(|b| b.is_ascii_hexdigit())
}
