//! Names of fields, columns, options and parameters: which of them name a secret.
//!
//! A name is split into words (`sshPrivateKey` and `SSH-PRIVATE-KEY` alike) and judged by the
//! last word that can name a secret, the words before it and the words after it.

mod split;

use split::{space, split};

use crate::{
    rules::{NAMES, SecretKind, words},
    text::{fold, has_name},
};

/// Maximum length of a name, in bytes.
const MAX_NAME: usize = 120;

/// Maximum length of a name with lookalikes, which take up to four bytes.
const MAX_FOLDED: usize = 4 * MAX_NAME;

/// Meaning of a name for its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// Kind of the value.
    pub(crate) secret: SecretKind,
    /// The name has harmless readings too (`account_key`), so the value must look generated.
    pub(crate) weak: bool,
    /// The name says its value is a hash.
    pub(crate) hashed: bool,
    /// The name is `pwd`, which also means "working directory".
    pub(crate) directory: bool,
    /// The name is a plural, which with a number is a count.
    pub(crate) plural: bool,
    /// The name is `pass`, which also means a ticket, a mark, a run or a way over mountains.
    pub(crate) ticket: bool,
}

impl Name {
    /// The name of a secret with no other readings.
    pub(crate) const fn of(secret: SecretKind) -> Self {
        Self { secret, weak: false, hashed: false, directory: false, plural: false, ticket: false }
    }
}

/// Returns the meaning of the name of a field, also if it is written in lookalikes. [`classify`] is for text, which is folded
/// before.
pub(crate) fn classify_field(name: &str) -> Option<Name> {
    // Bounded, because folding reads the whole name.
    let folded = if name.len() <= MAX_FOLDED { fold(name) } else { None };
    classify(folded.as_ref().map_or(name, |folded| &folded.text))
}

/// Returns the meaning of a name; `None` if it names no secret.
pub(crate) fn classify(name: &str) -> Option<Name> {
    if name.len() > MAX_NAME || !has_name(name) {
        return None;
    }
    // `spring.datasource.password`, `$.user.token`, `metadata[api_key]`: the last segment counts.
    let name = name.trim_matches(|c: char| !c.is_alphanumeric());
    // `password@host` is a part of an address.
    if name.contains('@') {
        return None;
    }
    if let Some(verdict) = dotted_key(name) {
        return Some(verdict);
    }
    let name = name.rsplit(['.', '/', '[']).next().unwrap_or(name);
    let spaced = space(name);
    let words = split(&spaced);
    judge(name, &words).or_else(|| {
        // `pAsSwOrD` has humps that are no words.
        let humps = words.iter().any(|word| word.len() < 3);
        humps.then(|| judge(name, &split(&name.to_lowercase()))).flatten()
    })
}

/// `fs.s3a.secret.key`, `fs.azure.account.key.<host>`: what a key is for is a segment of its own.
fn dotted_key(name: &str) -> Option<Name> {
    if !name.contains(".key") {
        return None;
    }
    let segments: Vec<&str> = name.split('.').collect();
    let at = segments.iter().position(|segment| *segment == "key").filter(|at| *at > 0)?;
    let account = segments[at - 1] == "account" && segments.len() > at + 1;
    let last = at + 1 == segments.len() && words::KEYS.contains(segments[at - 1]);
    // `form.api.key` is the name of a text to translate.
    let stores = ["fs", "s3", "s3a", "s3n", "gs", "oss", "cos", "azure", "aws", "hadoop", "spark", "hive", "trino"];
    let store = segments.iter().any(|segment| stores.contains(segment));
    (store && (account || last)).then_some(Name { weak: account, ..Name::of(SecretKind::Key) })
}

/// Whether `name` says something of a secret rather than what it is: `type`, `hint`, `minLength`.
pub(crate) fn is_about(name: &str) -> bool {
    space(name).split('_').any(|word| words::ABOUT.contains(word))
}

/// `X-ClickHouse-Key`: a header whose last word is `key`.
fn is_header_key(words: &[&str], at: usize) -> bool {
    words.first() == Some(&"x") && at > 1 && at + 1 == words.len() && !words::HEADER_KEYS.contains(words[at - 1])
}

/// What a name says by its words.
fn judge(name: &str, words: &[&str]) -> Option<Name> {
    let (at, secret) = core(words)?;
    let (before, after) = (&words[..at], &words[at + 1..]);
    if before.first().is_some_and(|word| words::SWITCHES.contains(word))
        || after.last().is_some_and(|word| words::ABOUT.contains(word))
    {
        return None;
    }
    let any_suffix = !matches!(secret, SecretKind::Token | SecretKind::Key | SecretKind::PrivateKey);
    if !any_suffix && !after.iter().all(|word| words::NEUTRAL.contains(word)) {
        return None;
    }
    Some(Name {
        secret,
        weak: is_weak(words, at),
        hashed: words.iter().any(|word| matches!(*word, "hash" | "hashed" | "digest" | "hashes")),
        directory: name.eq_ignore_ascii_case("pwd"),
        plural: words[at].ends_with('s') && words[at] != "pass",
        ticket: words.len() == 1 && words[0] == "pass",
    })
}

/// The last word that names a secret where it stands.
fn core(words: &[&str]) -> Option<(usize, SecretKind)> {
    (0..words.len()).rev().find_map(|at| Some((at, secret_at(words, at)?)))
}

/// The secret that the word at `at` names, unless its neighbours say otherwise.
fn secret_at(words: &[&str], at: usize) -> Option<SecretKind> {
    let before = at.checked_sub(1).map_or("", |before| words[before]);
    let next = words.get(at + 1).copied();
    match (words[at], next) {
        // Short words of another language, which begin names of other things.
        ("mdp" | "parola" | "sifre", Some(_)) => None,
        ("pass", _) if words::OTHER_PASSES.contains(before) => None,
        ("pass", Some(next)) if !is_password_suffix(next) => None,
        ("pass", _) => Some(SecretKind::Password),
        ("token" | "tokens", _) if words::OTHER_TOKENS.contains(before) => None,
        ("key", _) if is_header_key(words, at) => Some(SecretKind::Key),
        // The variable of the examples in MySQL's manual.
        ("key", Some("str")) if words.len() == 2 => Some(SecretKind::Key),
        ("key" | "keys", _) => key(before),
        (word, next) => secret(word).or_else(|| together(word, before, next)),
    }
}

/// `password`, `passcode`, `pass_key`, and words that leave it what it is.
fn is_password_suffix(word: &str) -> bool {
    ["word", "code", "key", "wd"].contains(&word) || words::NEUTRAL.contains(word)
}

/// The secret that a word names by itself.
fn secret(word: &str) -> Option<SecretKind> {
    NAMES.get(word).copied()
}

/// The secret that a word names with one of its neighbours.
fn together(word: &str, before: &str, next: Option<&str>) -> Option<SecretKind> {
    match (word, before) {
        // Spanish for a password and for any other key.
        ("clave", _) if next.is_some_and(|of| words::CLAVE.contains(of)) => Some(SecretKind::Password),
        ("seed", _) if words::SEEDS.contains(before) => Some(SecretKind::Secret),
        ("phrase", "pass" | "seed" | "recovery" | "secret" | "key") => Some(SecretKind::Passphrase),
        ("auth", "basic" | "sst") => Some(SecretKind::Token),
        _ => None,
    }
}

fn key(before: &str) -> Option<SecretKind> {
    if words::PRIVATE_KEYS.contains(before) {
        return Some(SecretKind::PrivateKey);
    }
    (words::KEYS.contains(before) || words::WEAK_KEYS.contains(before)).then_some(SecretKind::Key)
}

fn is_weak(words: &[&str], at: usize) -> bool {
    match words[at] {
        "authorization" | "cookie" | "cookies" => true,
        "auth" => words[at - 1] == "basic",
        "key" | "keys" => {
            let weak = at > 0 && words::WEAK_KEYS.contains(words[at - 1]);
            weak && !(at > 1 && words::KEYS.contains(words[at - 2]))
        }
        _ => false,
    }
}
