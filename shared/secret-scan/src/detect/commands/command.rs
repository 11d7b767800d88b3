//! A command, and the words around it.

use crate::{
    text::{head, line_before},
    value::is_placeholder,
};

/// Maximum length of a command, in bytes.
const LINE: usize = 1024;
/// Maximum length of the name of a command, in bytes.
const NAME: usize = 40;
/// Maximum length of a word, in bytes.
const WORD: usize = 200;

/// A command, and what stands around it.
pub(super) struct Command<'t> {
    /// The text before it.
    pub(super) before: &'t str,
    /// The line from the command on.
    pub(super) line: &'t str,
    /// Its name, in lower case, up to a bracket or colon.
    pub(super) name: String,
}

impl<'t> Command<'t> {
    pub(super) fn new(before: &'t str, rest: &'t str) -> Self {
        let line = head(rest, LINE).lines().next().unwrap_or_default().trim_start();
        let first = head(line, NAME).split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        let name = first.split_inclusive('=').next().unwrap_or_default();
        let name = name.split(['(', ':']).next().unwrap_or_default().to_owned();
        Self { before, line, name }
    }

    /// Returns the rest of the line after the name.
    pub(super) fn arguments(&self) -> &'t str {
        self.line.get(self.name.len()..).unwrap_or_default()
    }

    /// The words that follow the first.
    pub(super) fn words(&self) -> impl Iterator<Item = &'t str> {
        self.line.split_whitespace().skip(1)
    }

    /// The beginning of the statement, or of the line, that the command stands in.
    pub(super) fn statement(&self) -> &'t str {
        line_before(self.before).rsplit(';').next().unwrap_or_default()
    }

    /// Whether nothing stands before the command.
    pub(super) fn begins_line(&self) -> bool {
        self.statement().trim().is_empty()
    }

    /// Whether the statement begins with `word`.
    pub(super) fn statement_begins_with(&self, word: &str) -> bool {
        self.statement().split_whitespace().next().is_some_and(|first| first.eq_ignore_ascii_case(word))
    }
}

/// The word at the start of `text`, without quotes. In quotes it may have spaces.
pub(super) fn first_word(text: &str) -> &str {
    let text = head(text, WORD);
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '\'' | '"'))
        && let Some((word, _)) = text[1..].split_once(quote)
        && !word.contains('\n')
    {
        return word;
    }
    let text = text.trim_start_matches(['\'', '"']);
    let ends = |b: u8| b.is_ascii_whitespace() || matches!(b, b'\'' | b'"' | b'`' | b')' | b';');
    &text[..text.bytes().position(ends).unwrap_or(text.len())]
}

/// The first word of `text`, unless it stands in for a password or is a flag.
pub(super) fn secret(text: &str) -> Option<&str> {
    let word = first_word(text);
    (!word.starts_with('-') && !is_placeholder(word)).then_some(word)
}

/// The password of `user:password`, or of `user/password@database`.
pub(super) fn login(word: &str, sign: char) -> Option<&str> {
    let (user, password) = word.split_once(sign)?;
    let password = if sign == '/' { password.split('@').next().unwrap_or_default() } else { password };
    (!user.is_empty() && !password.starts_with('/') && !is_placeholder(password)).then_some(password)
}

/// The password of `user/password`, `user/password@database` of Oracle's programs; no path, and not "and/or".
pub(super) fn oracle_login(after: &str) -> Option<&str> {
    let word = after.trim_start_matches(['=', ' ', '\'', '"']).split_whitespace().next().unwrap_or_default();
    login(word, '/').filter(|_| !word.starts_with(['.', '~']) && !is_alternative(word))
}

/// "and/or", "read/write" are no logins.
fn is_alternative(word: &str) -> bool {
    const FIRST: [&str; 9] = ["and", "read", "client", "tcp", "input", "start", "on", "yes", "in"];
    let first = word.split('/').next().unwrap_or_default();
    FIRST.iter().any(|known| first.eq_ignore_ascii_case(known)) || !word.contains('@') && word.matches('/').count() != 1
}
