//! Names of fields, columns, options and parameters: which of them name a secret.
//!
//! A name is split into words (`sshPrivateKey` and `SSH-PRIVATE-KEY` alike) and judged by the
//! last word that can name a secret, the words before it and the words after it.

use super::{
    trigger,
    words::{ABOUT, KEYS, NEUTRAL, OTHER_PASSES, OTHER_TOKENS, PASSWORD, PRIVATE_KEYS, SWITCHES, WEAK_KEYS},
};

/// What a name says its value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secret {
    /// A password of any kind.
    Password,
    /// The passphrase of a key, or a recovery phrase.
    Passphrase,
    /// A private key, including the SSH key of a connection.
    PrivateKey,
    /// An access key, API key, or encryption key.
    Key,
    /// A token, session or authorization header.
    Token,
    /// Something called a secret.
    Secret,
    /// A set of credentials.
    Credentials,
}

/// The verdict on one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// What the value is said to be.
    pub secret: Secret,
    /// The name has harmless readings too (`account_key`), so the value must look generated.
    pub weak: bool,
    /// The name says its value is a hash.
    pub hashed: bool,
    /// The name is `pwd`, which also means "working directory".
    pub directory: bool,
    /// The name is a plural, which with a number is a count.
    pub plural: bool,
    /// The name is `pass`, which also means a ticket, a mark, a run or a way over mountains.
    pub ticket: bool,
}

impl Name {
    /// The name of a secret with no other readings.
    pub(super) const fn of(secret: Secret) -> Self {
        Self { secret, weak: false, hashed: false, directory: false, plural: false, ticket: false }
    }
}

/// What a name says, or None if it names no secret.
pub(super) fn classify(name: &str) -> Option<Name> {
    if name.len() > 120 || !trigger::has_name(name) {
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
    let last = at + 1 == segments.len() && KEYS.contains(&segments[at - 1]);
    // `form.api.key` is the name of a text to translate.
    let stores = ["fs", "s3", "s3a", "s3n", "gs", "oss", "cos", "azure", "aws", "hadoop", "spark", "hive", "trino"];
    let store = segments.iter().any(|segment| stores.contains(segment));
    (store && (account || last)).then_some(Name { weak: account, ..Name::of(Secret::Key) })
}

/// Whether `name` says something of a secret rather than what it is: `type`, `hint`, `minLength`.
pub(super) fn is_about(name: &str) -> bool {
    space(name).split('_').any(|word| ABOUT.contains(&word))
}

/// `X-ClickHouse-Key`: a header whose last word is `key`.
fn is_header_key(words: &[&str], at: usize) -> bool {
    const OTHER: &[&str] = &["idempotency", "cache", "partition", "routing", "surrogate", "request", "sort", "public"];
    words.first() == Some(&"x") && at > 1 && at + 1 == words.len() && !OTHER.contains(&words[at - 1])
}

/// The verdict on a name by its words.
fn judge(name: &str, words: &[&str]) -> Option<Name> {
    let (at, secret) = core(words)?;
    let before = &words[..at];
    let after = &words[at + 1..];
    let hashed = words.iter().any(|w| matches!(*w, "hash" | "hashed" | "digest" | "hashes"));
    let plural = words[at].ends_with('s') && words[at] != "pass";
    if before.first().is_some_and(|w| SWITCHES.contains(w)) {
        return None;
    }
    let last = after.last().copied().unwrap_or_default();
    if ABOUT.contains(&last) {
        return None;
    }
    let strict = !matches!(secret, Secret::Token | Secret::Key | Secret::PrivateKey);
    if !strict && !after.iter().all(|w| NEUTRAL.contains(w)) {
        return None;
    }
    let weak = is_weak(words, at);
    let directory = name.eq_ignore_ascii_case("pwd");
    let ticket = words.len() == 1 && words[0] == "pass";
    Some(Name { secret, weak, hashed, directory, plural, ticket })
}

/// The last word that can name a secret, unless the words before it say otherwise.
fn core(words: &[&str]) -> Option<(usize, Secret)> {
    let before = |at: usize| at.checked_sub(1).map_or("", |i| words[i]);
    (0..words.len()).rev().find_map(|at| {
        let word = words[at];
        let secret = match word {
            // Short words of another language, which begin names of other things.
            "mdp" | "parola" | "sifre" if at + 1 < words.len() => return None,
            _ if PASSWORD.contains(&word) => Secret::Password,
            "pass" if OTHER_PASSES.contains(&before(at)) => return None,
            "pass"
                if at + 1 < words.len()
                    && !["word", "code", "key", "wd"].contains(&words[at + 1])
                    && !NEUTRAL.contains(&words[at + 1]) =>
            {
                return None;
            }
            "pass" => Secret::Password,
            "passphrase" | "passphrases" | "mnemonic" => Secret::Passphrase,
            // Spanish for a password and for any other key.
            "clave"
                if words
                    .get(at + 1)
                    .is_some_and(|of| ["acceso", "usuario", "admin", "root", "wifi", "secreta"].contains(of)) =>
            {
                Secret::Password
            }
            "seed" if matches!(before(at), "otp" | "totp" | "mfa" | "2fa") => Secret::Secret,
            "phrase" if matches!(before(at), "pass" | "seed" | "recovery" | "secret" | "key") => Secret::Passphrase,
            "secret" | "secrets" => Secret::Secret,
            "credential" | "credentials" | "creds" | "cred" => Secret::Credentials,
            "token" | "tokens" if OTHER_TOKENS.contains(&before(at)) => return None,
            "token" | "tokens" | "jwt" | "bearer" | "authorization" | "cookie" | "cookies" => Secret::Token,
            "auth" if matches!(before(at), "basic" | "sst") => Secret::Token,
            "key" if is_header_key(words, at) => Secret::Key,
            // The variable of the examples in MySQL's manual.
            "key" if words.len() == 2 && words[1] == "str" => Secret::Key,
            "key" | "keys" => key(before(at))?,
            _ => return None,
        };
        Some((at, secret))
    })
}

fn key(before: &str) -> Option<Secret> {
    if PRIVATE_KEYS.contains(&before) {
        Some(Secret::PrivateKey)
    } else if KEYS.contains(&before) || WEAK_KEYS.contains(&before) {
        Some(Secret::Key)
    } else {
        None
    }
}

fn is_weak(words: &[&str], at: usize) -> bool {
    match words[at] {
        "authorization" | "cookie" | "cookies" => true,
        "auth" => words[at - 1] == "basic",
        "key" | "keys" => at > 0 && WEAK_KEYS.contains(&words[at - 1]) && !(at > 1 && KEYS.contains(&words[at - 2])),
        _ => false,
    }
}

/// The name in lower case with `_` between its words.
fn space(name: &str) -> String {
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
fn split(spaced: &str) -> Vec<&str> {
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
    #[rustfmt::skip]
    const OWNERS: &[&str] = &[
        "db", "usr", "my", "root", "admin", "ssh", "mysql", "ftp", "smtp", "mail", "proxy", "ldap",
        "login", "sql", "auth", "key", "keystore", "bind", "sa", "sys", "user", "database", "sudo",
        "imap", "tmp", "temp", "new", "old", "ora",
    ];
    if word.len() < 5 || !trigger::has_name(word) {
        return None;
    }
    let parts = |core: &&'static str| {
        let at = word.as_bytes().windows(core.len()).position(|part| part == core.as_bytes())?;
        Some((&word[..at], *core, &word[at + core.len()..]))
    };
    if let Some(found) = ANYWHERE.iter().find_map(parts) {
        return Some(found);
    }
    let known = |rest: &str| {
        rest.is_empty() || rest == "key" || rest == "keys" || ABOUT.contains(&rest) || NEUTRAL.contains(&rest)
    };
    if let Some(found) = WITH_KNOWN_REST.iter().filter_map(parts).find(|(_, _, tail)| known(tail)) {
        return Some(found);
    }
    for end in ["pass", "pw"] {
        if let Some(head) = word.strip_suffix(end)
            && OWNERS.contains(&head)
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
    let qualifier =
        KEYS.iter().chain(PRIVATE_KEYS).chain(WEAK_KEYS).find(|q| head == **q || q.len() > 4 && head.ends_with(**q));
    qualifier.map(|q| (*q, core, ""))
}
