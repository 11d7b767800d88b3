//! `name=value` and `name: value` in running text: connection strings, the query of a URL,
//! command lines, configuration, JSON in a string, notes and comments.
//!
//! A text is no syntax, so a value without quotes has to look like a secret unless its
//! surroundings (a connection string, a URL) say that it is one.

use super::{
    Kind,
    names::{self, Name, Secret},
    pair_value::is_secret,
    trigger, value,
};

/// How far a name or value is followed; the bound keeps the search linear.
pub(super) const WINDOW: usize = 200;

/// What stands between a name and its value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// `name=value`
    Tight,
    /// `name = value`, `name: value`
    Loose,
    /// The same behind other words: "reset your password: instructions"
    InSentence,
    /// `name is value`
    Is,
    /// `--name value`
    Flag,
    /// `name value`
    Beside,
}

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
        if let Some(secret) = element(text, start, end) {
            return Some(Kind::Pair(secret));
        }
        let Some((name, link, rest)) = pair(text, start, end) else {
            continue;
        };
        let in_url = text[..start].ends_with(['?', '&']);
        let strong = in_url
            || is_variable(&text[start..end]) && link == Link::Tight
            || *connection.get_or_insert_with(|| is_connection(text));
        let before = text[..start].trim_end_matches(' ');
        let belongs = before.ends_with("'s") || before.ends_with("’s");
        let in_sentence = before.len() < start && before.ends_with(char::is_alphanumeric) && !belongs;
        let link = if link == Link::Loose && in_sentence { Link::InSentence } else { link };
        if is_secret(name, link, rest, strong) {
            return Some(Kind::Pair(name.secret));
        }
    }
    None
}

/// `<password>…</password>`, `<property name="password">…</property>`
fn element(text: &str, start: usize, end: usize) -> Option<Secret> {
    let named = |_: &&str| text[..start].rsplit('<').next().is_some_and(|tag| tag.contains("name=\""));
    let tag = text[end..].strip_prefix('>').filter(|_| text[..start].ends_with('<'));
    let rest = tag.or_else(|| text[end..].strip_prefix("\">").filter(named))?;
    let close = rest.bytes().take(WINDOW).position(|b| b == b'<')?;
    let (value, close) = rest.split_at_checked(close)?;
    let name = names::classify(&text[start..end])?;
    let holds = close.starts_with("</") && !value::is_placeholder(value) && !name.weak;
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
        let attached = word.eq_ignore_ascii_case("key") && text[end..].trim_start().starts_with(['\'', '"']);
        attached
            || signature(word).is_some()
            || file_key(text, start, word).is_some()
            || names::classify(word).is_some()
            || two_words(text, start, word).is_some()
    })
}

/// Whether the text is a connection string, going by its other parts.
fn is_connection(text: &str) -> bool {
    const PARTS: &[&str] = &[
        "host=",
        "server=",
        "data source=",
        "user id=",
        "uid=",
        "user=",
        "username=",
        "dbname=",
        "database=",
        "hostaddr=",
        "user = ",
        "username = ",
        "host = ",
    ];
    let lower = text.to_ascii_lowercase();
    PARTS.iter().any(|part| lower.contains(part))
}

/// `PGPASSWORD=…`, `--password=…`: an environment variable or option, whose value is no word of
/// a sentence.
fn is_variable(word: &str) -> bool {
    word.starts_with("--") || word.len() > 3 && !word.contains(char::is_lowercase)
}

/// Start and end of the word around a position, at most [`WINDOW`] bytes each way.
fn word_around(text: &str, at: usize) -> (usize, usize) {
    let bytes = text.as_bytes();
    let is_word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.') || *b >= 0x80;
    let mut start = at - bytes[..at].iter().rev().take(WINDOW).take_while(|b| is_word(b)).count();
    let mut end = at + bytes[at..].iter().take(WINDOW).take_while(|b| is_word(b)).count();
    while !text.is_char_boundary(start) {
        start += 1;
    }
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    // The colon of Chinese and Japanese.
    if let Some(colon) = text[at.min(end)..end].find('：') {
        end = at + colon;
    }
    (start, end.max(start))
}

/// The verdict on the word, what follows it, and the text from the value on.
fn pair(text: &str, start: usize, end: usize) -> Option<(Name, Link, &str)> {
    let word = text[start..end].trim_end_matches(['.', '-']);
    let flag = word.starts_with("--");
    // "second pass", "unexpected token", "page token"
    if ["pass", "token", "tokens"].iter().any(|known| word.eq_ignore_ascii_case(known))
        && last_word(&text[..start]).is_some_and(|before| names::classify(&format!("{before}_{word}")).is_none())
    {
        return None;
    }
    // The name of a secret in AWS Secrets Manager.
    if word.eq_ignore_ascii_case("secret") && text[..start].ends_with(':') && text[..start].contains("arn:aws") {
        return None;
    }
    let name = signature(word)
        .or_else(|| file_key(text, start, word))
        .or_else(|| names::classify(word))
        .or_else(|| two_words(text, start, word))?;
    let (link, rest) = link(&text[start + word.len()..], flag)?;
    Some((name, link, rest))
}

/// `file:shop.db?cipher=sqlcipher&key=…`: there, a key is the password of the file.
fn file_key(text: &str, start: usize, word: &str) -> Option<Name> {
    let is_key = ["key", "hexkey"].iter().any(|name| word.eq_ignore_ascii_case(name));
    let is_file = text[..start].ends_with(['?', '&']) && (text.starts_with("file:") || text.contains("cipher="));
    (is_key && is_file).then_some(named(Secret::Key, false))
}

/// A verdict on a name that is none by its words.
const fn named(secret: Secret, weak: bool) -> Name {
    Name { secret, weak, hashed: false, directory: false, plural: false }
}

/// The signature of a presigned URL opens it like a password. So does the key of an Azure account, whose name is in the
/// middle of its setting's.
fn signature(word: &str) -> Option<Name> {
    let known = ["sig", "x-amz-signature", "x-goog-signature"].iter().any(|name| word.eq_ignore_ascii_case(name));
    // `fs.azure.account.key.shop.dfs.core.windows.net=…`
    let account = word.to_ascii_lowercase().contains("account.key.");
    (known || account).then_some(named(Secret::Token, true))
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

/// The word before some white space at the end of `text`.
fn last_word(text: &str) -> Option<&str> {
    let before = text.trim_end_matches([' ', '\t', '\n']);
    let spaces = text.len() - before.len();
    if !(1..=8).contains(&spaces) {
        return None;
    }
    let (from, to) = word_around(before, before.len());
    Some(&before[from..to]).filter(|word| !word.is_empty())
}

/// What links the name to a value, and the text from the value on.
fn link(rest: &str, flag: bool) -> Option<(Link, &str)> {
    let closed = rest.trim_start_matches(['\\', '"', '\'', '`', ']', ')', '*']);
    let closed = if rest.len() - closed.len() > 6 { rest } else { closed };
    let spaced = skip_spaces(closed);
    let tight = spaced.len() == closed.len();
    let (sign, after) = if let Some(after) = spaced.strip_prefix("=>").or_else(|| spaced.strip_prefix(":=")) {
        ('>', after)
    } else if let Some(after) = spaced.strip_prefix("==").or_else(|| spaced.strip_prefix('=')) {
        ('=', after)
    } else if let Some(after) = spaced.strip_prefix(':').filter(|after| !after.starts_with(':')) {
        (':', after)
    } else if let Some(after) = spaced.strip_prefix('：') {
        (':', after)
    } else {
        return beside(closed, spaced, flag);
    };
    let after = after.trim_start_matches('*');
    let value = skip_spaces(after);
    let value =
        ["Token ", "ApiKey ", "Api-Key ", "Key "].iter().find_map(|scheme| value.strip_prefix(scheme)).unwrap_or(value);
    let tight = tight && sign == '=' && value.len() == after.len();
    Some((if tight { Link::Tight } else { Link::Loose }, value))
}

/// `name is value`, `--name value`, `name value`.
fn beside<'a>(closed: &'a str, spaced: &'a str, flag: bool) -> Option<(Link, &'a str)> {
    for verb in [
        "— ", "– ", "- ", "is ", "was ", "→ ", "-> ", "to ", "ist ", "lautet ", "est ", "es ", "è ", "é ", "jest ",
        "är ",
    ] {
        if let Some(value) = spaced.strip_prefix(verb) {
            return Some((Link::Is, skip_spaces(value)));
        }
    }
    if closed.len() == spaced.len() {
        return None;
    }
    // "password for all users: …", "pw for the reader is …"
    let belongs = [
        "for ", "of ", "für ", "von ", "vom ", "der ", "des ", "pour ", "para ", "per ", "de ", "del ", "du ", "do ",
        "da ", "di ", "della ", "dla ", "voor ", "van ", "för ", "для ", "от ",
    ];
    if belongs.iter().any(|word| spaced.starts_with(word)) {
        let near = spaced.bytes().take(60).take_while(|b| *b != b'\n').count();
        let ends =
            [":", "=", " — ", " – ", " is ", " ist ", " lautet ", " est ", " es ", " è ", " é ", " jest ", " är "];
        let found = ends.iter().filter_map(|end| Some((spaced.get(..near)?.find(end)?, end.len()))).min()?;
        return spaced.get(found.0 + found.1..).map(|value| (Link::Is, skip_spaces(value)));
    }
    Some((if flag { Link::Flag } else { Link::Beside }, spaced))
}

fn skip_spaces(text: &str) -> &str {
    let spaces = text.bytes().take(16).take_while(|b| matches!(b, b' ' | b'\t')).count();
    &text[spaces..]
}
