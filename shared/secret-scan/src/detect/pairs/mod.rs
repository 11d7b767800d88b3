//! `name=value` and `name: value` in running text: connection strings, the query of a URL,
//! command lines, configuration, JSON in a string, notes and comments.
//!
//! A text is no syntax, so a value without quotes has to look like a secret unless its
//! surroundings (a connection string, a URL) say that it is one.

mod context;
mod link;
mod value;

pub(crate) use link::Link;
pub(crate) use value::secret_value;

use crate::{
    names::{self, Name},
    rules::{KeywordGroups, RuleId, SecretKind, rule, words},
    text::{Match, Text, WINDOW, head, last_word, line_before, tail, word_around},
    value::{is_placeholder, is_status_word},
};

/// Bytes of a value, and of a word, that a look pays for.
const LOOK: usize = 32;
const WORD: usize = 24;

/// Returns the first pair in `text` whose value is a secret.
pub(crate) fn find<'t>(text: &Text<'t>) -> Option<Match<'t>> {
    let all = text.all;
    let mut past = 0;
    let mut connection = None;
    for hit in text.hits(KeywordGroups::NAMES) {
        if hit.at() < past {
            continue;
        }
        let (start, end) = word_around(all, hit.at());
        // A long word takes as much as several, and letters of other scripts are looked up in larger tables.
        let looks = 1 + ((end - start) / WORD) as u64;
        text.budget.spend(if all[start..end].is_ascii() { looks } else { 3 * looks })?;
        past = end;
        let mut is_connection = || *connection.get_or_insert_with(|| context::is_connection(all));
        if let Some(found) = pair_at(text, start, end, &mut is_connection) {
            return Some(found);
        }
    }
    None
}

/// The pair whose name is the word from `start` to `end`.
fn pair_at<'t>(
    text: &Text<'t>,
    start: usize,
    end: usize,
    is_connection: &mut dyn FnMut() -> bool,
) -> Option<Match<'t>> {
    let (before, word, after) = (&text.all[..start], &text.all[start..end], &text.all[end..]);
    if context::in_reference(before, after) {
        return None;
    }
    if let Some(found) = element(before, word, after) {
        return Some(found);
    }
    let (name, link, rest) = pair(text.all, start, end)?;
    // A value takes as much as the name, and a long one as much as several names.
    let length = rest.bytes().take(WINDOW).position(|b| b.is_ascii_whitespace()).unwrap_or(WINDOW);
    text.budget.spend(1 + (length / LOOK) as u64)?;
    // The name in `${PGPASSWORD:?message}`; `--secret` names the secret.
    if name.plural && context::is_scope(after)
        || before.ends_with("${") && after.starts_with(":?")
        || word.eq_ignore_ascii_case("--secret")
    {
        return None;
    }
    let rule = rule_of(name);
    if context::names_both(before)
        && let Some(password) = login_password(rest)
    {
        return Some(Match::new(rule, password));
    }
    let strong = before.ends_with(['?', '&'])
        || context::is_header(word, rest)
        || context::is_variable(word) && link == Link::Tight
        || is_connection();
    let link = context::link(link, before, after)?;
    secret_value(name, link, rest, strong).map(|value| Match::new(rule, value))
}

/// The rule of a secret that is written as name and value.
fn rule_of(name: Name) -> RuleId {
    match name.secret {
        SecretKind::Password => rule::TEXT_PASSWORD,
        SecretKind::Passphrase => rule::TEXT_PASSPHRASE,
        SecretKind::PrivateKey | SecretKind::Key => rule::TEXT_KEY,
        SecretKind::Token => rule::TEXT_TOKEN,
        SecretKind::Secret => rule::TEXT_SECRET,
        SecretKind::Credentials => rule::TEXT_CREDENTIALS,
    }
}

/// The password of "ada/password" behind "user/password:".
fn login_password(rest: &str) -> Option<&str> {
    let word = head(rest, WINDOW).split_whitespace().next()?;
    let (_, password) = word.split_once('/').or_else(|| word.split_once(':'))?;
    (password.len() > 3 && !is_placeholder(password) && !is_status_word(password)).then_some(password)
}

/// `<password>…</password>`, `<property name="password">…</property>`, `<property name="password" value="…"/>`
fn element<'t>(before: &str, word: &str, after: &'t str) -> Option<Match<'t>> {
    let inside = || after.strip_prefix('>').filter(|_| before.ends_with('<')).or_else(|| after.strip_prefix("\">"));
    let (rest, ends) = match after.strip_prefix("\" value=\"") {
        Some(rest) => (rest, b'"'),
        None => (inside()?, b'<'),
    };
    let close = rest.bytes().take(WINDOW).position(|b| b == ends)?;
    let (value, close) = rest.split_at_checked(close)?;
    let name = names::classify(word)?;
    let holds = (ends == b'"' || close.starts_with("</")) && !is_placeholder(value) && !name.weak;
    holds.then(|| Match::new(rule_of(name), value))
}

/// Whether any word of `text` names a secret. Most texts with `key` or `pass` in them
/// (`PRIMARY KEY`, `passed`) name none and need no closer look.
pub(crate) fn names_secret(text: &Text<'_>) -> bool {
    let mut past = 0;
    text.hits(KeywordGroups::NAMES).any(|hit| {
        if hit.at() < past || text.budget.spend(1).is_none() {
            return false;
        }
        let (start, end) = word_around(text.all, hit.at());
        past = end;
        let (word, after) = (&text.all[start..end], &text.all[end..]);
        // `ATTACH … KEY '…'`
        let attached = word.eq_ignore_ascii_case("key")
            && head(after, WINDOW).trim_start().trim_start_matches(['x', 'X']).starts_with(['\'', '"']);
        attached || verdict(text.all, start, word).is_some()
    })
}

/// What `word`, which starts at `start`, says by itself or with what stands beside it.
fn verdict(text: &str, start: usize, word: &str) -> Option<Name> {
    signature(word)
        .or_else(|| names::classify(word))
        .or_else(|| two_words(text, start, word))
        .or_else(|| file_key(text, start, word))
        .or_else(|| clave(text, start, word))
}

/// The verdict on the word, what follows it, and the text from the value on.
fn pair(text: &str, start: usize, end: usize) -> Option<(Name, Link, &str)> {
    let word = text[start..end].trim_end_matches(['.', '-']);
    let flag = word.starts_with('-');
    // "second pass", "unexpected token", "page token"
    if ["pass", "token", "tokens"].iter().any(|known| word.eq_ignore_ascii_case(known))
        && last_word(&text[..start]).is_some_and(|before| names::classify(&format!("{before}_{word}")).is_none())
    {
        return None;
    }
    let name = verdict(text, start, word)?;
    let (link, rest) = link::link(&text[start + word.len()..], flag)?;
    Some((name, link, rest))
}

/// The signature of a presigned URL opens it like a password.
fn signature(word: &str) -> Option<Name> {
    words::SIGNATURE.contains_any_case(word).then_some(Name { weak: true, ..Name::of(SecretKind::Token) })
}

/// `file:notes.db?key=…`: the key of an encrypted file of `SQLite`.
fn file_key(text: &str, start: usize, word: &str) -> Option<Name> {
    let known = ["key", "hexkey", "textkey", "rawkey", "rekey", "_pragma_key", "_key"]
        .iter()
        .any(|name| word.eq_ignore_ascii_case(name));
    let before = text[..start].strip_suffix(['?', '&']).filter(|_| known)?;
    let (from, _) = word_around(before, before.len());
    let address =
        tail(&before[..from], WINDOW).rsplit(|c: char| c.is_whitespace() || matches!(c, '"' | '\'')).next()?;
    let file = ["file:", "sqlite:", "sqlcipher:"].iter().any(|scheme| address.contains(scheme));
    file.then_some(Name::of(SecretKind::Password))
}

/// Spanish for a password, and for any other key: whose it is tells.
fn clave(text: &str, start: usize, word: &str) -> Option<Name> {
    if !word.eq_ignore_ascii_case("clave") {
        return None;
    }
    let after = head(&text[start + word.len()..], WINDOW);
    let whose = [" de ", " del ", " "].iter().find_map(|of| after.strip_prefix(of)).unwrap_or_default();
    let whose = whose.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    let account = words::CLAVE.contains_any_case(whose) || line_before(&text[..start]).contains("usuario");
    account.then_some(Name::of(SecretKind::Password))
}

/// "API key", "private key": the word before decides what a key is.
fn two_words(text: &str, start: usize, word: &str) -> Option<Name> {
    if !word.to_ascii_lowercase().starts_with("key") && !word.eq_ignore_ascii_case("phrase") {
        return None;
    }
    let before = last_word(&text[..start])?;
    if ["primary", "foreign", "unique"].iter().any(|kind| before.eq_ignore_ascii_case(kind)) {
        return None;
    }
    names::classify(&format!("{before}_{word}"))
}
