//! What stands between a name and its value in a text: a sign, a verb, or nothing but a space.

use crate::{names::is_about, text::skip_spaces};

/// What stands between a name and its value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// `name=value`
    Tight,
    /// `name = value`, `name: value`
    Loose,
    /// The same behind other words: "reset your password: instructions"
    InSentence,
    /// "user ada, password value"
    Account,
    /// "(name value)"
    Enclosed,
    /// `name is value`
    Is,
    /// `--name value`
    Flag,
    /// `name value`
    Beside,
}

/// What links the name to a value, and the text from the value on.
pub(super) fn link(rest: &str, flag: bool) -> Option<(Link, &str)> {
    let closed = rest.trim_start_matches(['\\', '"', '\'', '`', ']', ')', '*']);
    let closed = if rest.len() - closed.len() > 6 { rest } else { closed };
    let spaced = skip_note(skip_spaces(closed));
    let tight = spaced.len() == closed.len();
    let (sign, after) = if let Some(after) = spaced.strip_prefix("=>").or_else(|| spaced.strip_prefix(":=")) {
        ('>', after)
    } else if let Some(after) = spaced.strip_prefix("==").or_else(|| spaced.strip_prefix('=')) {
        ('=', after)
    } else if !tight && spaced.starts_with(":'") {
        // psql's variable: `PASSWORD :'newpw'`
        return None;
    } else if let Some(after) = spaced.strip_prefix(':').filter(|after| !after.starts_with(':')) {
        (':', after)
    } else if let Some(value) = next_line_value(closed) {
        return Some((Link::Loose, value));
    } else {
        return beside(closed, spaced, flag);
    };
    // `**password:** …`
    let after = after.strip_prefix("**").filter(|after| after.starts_with(' ')).unwrap_or(after);
    let value = skip_spaces(after);
    let value =
        ["Token ", "ApiKey ", "Api-Key ", "Key "].iter().find_map(|scheme| value.strip_prefix(scheme)).unwrap_or(value);
    if sign == ':'
        && let Some(value) = on_next_line(value)
    {
        return Some((Link::InSentence, value));
    }
    let tight = tight && sign == '=' && value.len() == after.len();
    Some((if tight { Link::Tight } else { Link::Loose }, value))
}

/// `password:` at the end of a line, also with the sign of a block in YAML, and the value on the next one.
fn on_next_line(rest: &str) -> Option<&str> {
    let rest = [">-", "|-", ">", "|"].iter().find_map(|block| rest.strip_prefix(block)).unwrap_or(rest);
    let line = rest.strip_prefix('\r').unwrap_or(rest).strip_prefix('\n')?;
    Some(skip_spaces(line)).filter(|line| !line.starts_with(['-', '\n', '\r', '#', '/']))
}

/// `password (staging): …`
fn skip_note(rest: &str) -> &str {
    let note = rest.strip_prefix('(').and_then(|inner| {
        let end = inner.bytes().take(40).position(|b| matches!(b, b')' | b'\n'))?;
        inner.get(end..)?.strip_prefix(')').filter(|after| after.starts_with([':', '=']))
    });
    note.unwrap_or(rest)
}

/// YAML's list of variables: `- name: PGPASSWORD`, and on the next line `value: …`.
fn next_line_value(rest: &str) -> Option<&str> {
    let line = rest.strip_prefix('\r').unwrap_or(rest).strip_prefix('\n')?;
    skip_spaces(line).strip_prefix("value:").map(skip_spaces)
}

/// What links a name to its value in a sentence, the longer of two that start alike first.
#[rustfmt::skip]
const VERBS: &[&str] = &[
    "is now ", "is still ", "is currently ", "is: ", "is ", "was ", "→ ", "-> ", "to ", "changed to ", "set to ", "reset to ", "ist jetzt ", "ist: ",
    "ist ", "lautet: ", "lautet ", "geändert auf ", "est : ", "est ", "é ", "è ", "es ", "jest ", "je ", "är ", "er ",
    "= ", "— ", "– ", "это ", "heißt ", "wurde auf ", "wurde geändert auf ", "a été changé en ", "zmienione na ", "изменён на ",
    "a ",
];
/// Words that lead over to whose password it is.
#[rustfmt::skip]
const WHOSE: &[&str] = &[
    "for ", "of ", "für ", "von ", "vom ", "des ", "der ", "pour ", "para ", "de ", "du ", "del ", "do ", "da ", "di ",
    "della ", "voor ", "van ", "dla ", "för ", "pro ", "от ", "для ", "к ", "til ", "on ", "at ",
    "ab ", "seit ",
];
/// What ends the words on whose it is.
#[rustfmt::skip]
const TOLD: &[&str] = &[
    ":", "=", " is ", " ist ", " lautet ", " est ", " é ", " è ", " es ", " jest ", " je ", " är ", " er ", " to ", " — ",
    " – ", " → ", " -> ",
];

/// `name is value`, `--name value`, `name value`.
fn beside<'a>(closed: &'a str, spaced: &'a str, flag: bool) -> Option<(Link, &'a str)> {
    if let Some(value) = VERBS.iter().find_map(|verb| spaced.strip_prefix(verb)) {
        return Some((Link::Is, skip_spaces(value)));
    }
    if closed.len() == spaced.len() {
        return None;
    }
    // "password for all users: …", "pw for the reader is …"
    if WHOSE.iter().any(|word| spaced.starts_with(word)) {
        let near = spaced.bytes().take(60).take_while(|b| *b != b'\n').count();
        let near = (0..=near).rev().find(|at| spaced.is_char_boundary(*at)).unwrap_or_default();
        let (at, end) = TOLD.iter().filter_map(|end| Some((spaced.get(..near)?.find(end)?, *end))).min()?;
        // With a sign and few words it is nearly as good as without them.
        let sign = matches!(end, ":" | "=") && spaced[..at].split(' ').count() < 4;
        let link = if sign { Link::Loose } else { Link::Is };
        return spaced.get(at + end.len()..).map(|value| (link, skip_spaces(value)));
    }
    if let Some(value) = after_owner(spaced) {
        return Some((Link::Is, value));
    }
    Some((if flag { Link::Flag } else { Link::Beside }, spaced))
}

/// "password staging: …", "mdp root = …": what comes behind one more word and a sign.
fn after_owner(spaced: &str) -> Option<&str> {
    let end = spaced.bytes().take(30).position(|b| matches!(b, b' ' | b':' | b'=' | b'\n'))?;
    let (owner, rest) = spaced.split_at(end);
    let about = owner.is_empty() || is_about(owner) || owner.contains(['/', '(', ',', '"', '\'']);
    let value = skip_spaces(rest).strip_prefix([':', '=']).filter(|_| !about)?;
    value.starts_with(' ').then(|| skip_spaces(value))
}
