//! `name=value` and `name: value` in running text: connection strings, the query of a URL,
//! command lines, configuration, JSON in a string, notes and comments.
//!
//! A text is no syntax, so a value without quotes has to look like a secret unless its
//! surroundings (a connection string, a URL) say that it is one.

use super::{
    Kind,
    around::{WINDOW, head, last_word, line_before, tail, word_around},
    context,
    links::{Link, link},
    names::{self, Name, Secret},
    pair_value::is_secret,
    trigger, value,
};

/// The first pair in `text` whose value is a secret.
pub(super) fn find(text: &str) -> Option<Kind> {
    let mut past = 0;
    let mut connection = None;
    for (at, family) in trigger::hits(text) {
        if family & trigger::NAME == 0 || at < past {
            continue;
        }
        let (start, end) = word_around(text, at);
        past = end;
        if context::in_reference(&text[..start], &text[end..]) {
            continue;
        }
        if let Some(secret) = element(text, start, end) {
            return Some(Kind::Pair(secret));
        }
        let Some((name, link, rest)) = pair(text, start, end) else {
            continue;
        };
        if name.plural && context::is_scope(&text[end..]) {
            continue;
        }
        // The name in `${PGPASSWORD:?message}`; `--secret` names the secret.
        if text[..start].ends_with("${") && text[end..].starts_with(":?")
            || text[start..end].eq_ignore_ascii_case("--secret")
        {
            continue;
        }
        let in_url = text[..start].ends_with(['?', '&']);
        let strong = in_url
            || context::is_header(&text[start..end], rest)
            || context::is_variable(&text[start..end]) && link == Link::Tight
            || *connection.get_or_insert_with(|| context::is_connection(text));
        if context::names_both(&text[..start]) && is_login(rest) {
            return Some(Kind::Pair(name.secret));
        }
        let link = context::link(link, &text[..start], &text[end..]);
        if link.is_some_and(|link| is_secret(name, link, rest, strong)) {
            return Some(Kind::Pair(name.secret));
        }
    }
    None
}

/// "ada/password" behind "user/password:".
fn is_login(rest: &str) -> bool {
    let word = head(rest, WINDOW).split_whitespace().next().unwrap_or_default();
    let password = word.split_once('/').or_else(|| word.split_once(':')).map(|(_, password)| password);
    password.is_some_and(|password| {
        password.len() > 3 && !value::is_placeholder(password) && !value::is_status_word(password)
    })
}

/// `<password>…</password>`, `<property name="password">…</property>`, `<property name="password" value="…"/>`
fn element(text: &str, start: usize, end: usize) -> Option<Secret> {
    let after = &text[end..];
    let inside =
        || after.strip_prefix('>').filter(|_| text[..start].ends_with('<')).or_else(|| after.strip_prefix("\">"));
    let (rest, ends) = match after.strip_prefix("\" value=\"") {
        Some(rest) => (rest, '"'),
        None => (inside()?, '<'),
    };
    let close = rest.bytes().take(WINDOW).position(|b| b == ends as u8)?;
    let (value, close) = rest.split_at_checked(close)?;
    let name = names::classify(&text[start..end])?;
    let holds = (ends == '"' || close.starts_with("</")) && !value::is_placeholder(value) && !name.weak;
    holds.then_some(name.secret)
}

/// Whether any word of `text` names a secret. Most texts with `key` or `pass` in them
/// (`PRIMARY KEY`, `passed`) name none and need no closer look.
pub(super) fn names_secret(text: &str) -> bool {
    let mut past = 0;
    trigger::hits(text).any(|(at, family)| {
        if family & trigger::NAME == 0 || at < past {
            return false;
        }
        let (start, end) = word_around(text, at);
        past = end;
        let word = &text[start..end];
        // `ATTACH … KEY '…'`
        let attached = word.eq_ignore_ascii_case("key")
            && text[end..].trim_start().trim_start_matches(['x', 'X']).starts_with(['\'', '"']);
        attached || verdict(text, start, word).is_some()
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
    let (link, rest) = link(&text[start + word.len()..], flag)?;
    Some((name, link, rest))
}

/// The signature of a presigned URL opens it like a password.
fn signature(word: &str) -> Option<Name> {
    let known = ["sig", "x-amz-signature", "x-goog-signature"].iter().any(|name| word.eq_ignore_ascii_case(name));
    known.then_some(Name { weak: true, ..Name::of(Secret::Token) })
}

/// `file:notes.db?key=…`: the key of an encrypted file of `SQLite`.
fn file_key(text: &str, start: usize, word: &str) -> Option<Name> {
    let known = ["key", "hexkey", "textkey", "rawkey", "rekey"].iter().any(|name| word.eq_ignore_ascii_case(name));
    let before = text[..start].strip_suffix(['?', '&']).filter(|_| known)?;
    let (from, _) = word_around(before, before.len());
    let address =
        tail(&before[..from], WINDOW).rsplit(|c: char| c.is_whitespace() || matches!(c, '"' | '\'')).next()?;
    let file = ["file:", "sqlite:", "sqlcipher:"].iter().any(|scheme| address.contains(scheme));
    file.then_some(Name::of(Secret::Password))
}

/// Spanish for a password, and for any other key: whose it is tells.
fn clave(text: &str, start: usize, word: &str) -> Option<Name> {
    const WHOSE: &[&str] =
        &[" de acceso", " del usuario", " de usuario", " del admin", " de root", " del servidor", " del wifi"];
    let whose = || WHOSE.iter().any(|whose| text[start + word.len()..].starts_with(whose));
    let account = || line_before(&text[..start]).contains("usuario");
    (word.eq_ignore_ascii_case("clave") && (whose() || account())).then_some(Name::of(Secret::Password))
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
