//! Whether what follows `name=` or `name:` in a text is a secret.

use super::link::Link;
use crate::{
    names::{self, Name},
    rules::SecretKind,
    text::{WINDOW, head},
    value,
};

/// Maximum length of a value in quotes, in characters.
const QUOTED: usize = 1024;

/// Returns the value at the start of `rest` if it is a secret, given its name and how it is linked. `strong` says that the
/// surroundings (a connection string, a URL) make the value one, whatever it looks like.
pub(crate) fn secret_value(name: Name, link: Link, rest: &str, strong: bool) -> Option<&str> {
    let unescaped = rest.trim_start_matches('\\');
    // `N'…'`, `E'…'`, `x'…'`
    let unescaped =
        unescaped.strip_prefix(['N', 'E', 'x', 'X']).filter(|rest| rest.starts_with('\'')).unwrap_or(unescaped);
    let quote = unescaped.chars().next().filter(|c| matches!(c, '"' | '\'' | '`' | '“' | '‘' | '«' | '„'));
    if let Some(quote) = quote {
        let value = until_quote(&unescaped[quote.len_utf8()..], quote, rest.starts_with('\\'));
        // psql's `\set name `command``
        let value = value.filter(|value| quote != '`' || !value.contains(' '));
        return value.map(str::trim).filter(|value| quoted_is_secret(name, value, link));
    }
    // `Key (token)=(…) already exists`
    let rest = rest.strip_prefix('(').unwrap_or(rest);
    // `Pwd={a;b}`: braces around what holds signs. Around a plain word they are a template.
    if let Some(braced) =
        rest.strip_prefix('{').filter(|_| strong).and_then(|rest| head(rest, WINDOW).split('}').next())
    {
        let secret = braced.contains([';', '!', '@', '#', '-', ' ']) && !value::is_placeholder(braced);
        return secret.then_some(braced);
    }
    if name.secret == SecretKind::Passphrase
        && matches!(link, Link::Loose | Link::Tight | Link::InSentence)
        && let Some(words) = words(rest)
    {
        return Some(words);
    }
    let value = bare_value(rest, strong);
    let count = name.plural && value.starts_with(|c: char| c.is_ascii_digit());
    let by_path = name.directory || name.secret == SecretKind::PrivateKey;
    if value::is_placeholder(value)
        || is_structure(value)
        || is_call(value, rest)
        || is_elsewhere(value)
        || count
        || by_path && value::is_path(value)
    {
        return None;
    }
    bare_is_secret(name, link, value, &rest[value.len()..], strong).then_some(value)
}

/// "correct horse battery staple": at least three words up to the end of the line, as passphrases are made.
fn words(rest: &str) -> Option<&str> {
    let line = head(rest, 2 * WINDOW).lines().next().unwrap_or_default().trim();
    let words: Vec<&str> = line.split(' ').take(26).collect();
    let plain = |word: &&str| word.len() > 2 && word.chars().all(char::is_lowercase) && !value::is_status_word(word);
    ((3..25).contains(&words.len()) && words.iter().all(plain)).then_some(line)
}

/// A file or a variable of a program, where the secret is: `./password.txt`, `var.db_password`, `${VAR:?message`. And what is
/// written in Chinese, Japanese or Korean, in which nobody can type a password.
fn is_elsewhere(value: &str) -> bool {
    const ROOTS: &[&str] = &["./", "../", "~/", "/run/", "/etc/", "/var/", "/home/", "/mnt/", "/vault/", "/opt/"];
    const PROGRAM: &[&str] =
        &["var.", "local.", "data.", "module.", "self.", "config.", "settings.", "secrets.", "os."];
    let path = ROOTS.iter().any(|root| value.starts_with(root));
    let chain = (value.matches('.').count() > 1 || value.contains('['))
        && value.contains('_')
        && value.split('.').all(is_variable_name);
    let version = value.ends_with(":latest");
    let program = value.ends_with('[') || version || chain || PROGRAM.iter().any(|root| value.starts_with(root));
    let cut = value.starts_with("${") && value.contains(":?");
    path || program || cut || value.chars().any(|c| ('\u{3040}'..='\u{d7ff}').contains(&c))
}

fn is_variable_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_[]".contains(c))
}

/// The start of JSON, of a template or of a variable, unless what follows looks like a secret.
fn is_structure(value: &str) -> bool {
    let inner = value.trim_start_matches(['$', '%', '(']);
    value.starts_with(['<', '{', '[']) || inner.len() < value.len() && !value::is_opaque(inner)
}

/// A value in quotes. Prose in quotes ("is too short") is no secret; a passphrase of words is.
fn quoted_is_secret(name: Name, value: &str, link: Link) -> bool {
    if value::is_placeholder(value)
        || name.weak && !value::is_long_opaque(value)
        || name.hashed && value::is_hash(value)
    {
        return false;
    }
    if (name.secret == SecretKind::Key || name.directory) && value::is_path(value) {
        return false;
    }
    let first = value.split_whitespace().next().unwrap_or_default();
    let prose = value.contains(' ')
        && (value::is_status_word(first)
            || name.secret != SecretKind::Passphrase && !value.split(' ').any(value::is_opaque));
    let word = !value.contains(' ') && value::is_status_word(value);
    if prose || word || value::is_label(value) {
        return false;
    }
    match name.secret {
        SecretKind::Credentials => {
            !matches!(link, Link::Beside | Link::Is) && value::is_opaque(value) && !is_identifier(value)
        }
        SecretKind::Token | SecretKind::Key => value::is_opaque(value) || value.len() >= 16,
        // A passphrase of words in quotes.
        SecretKind::Passphrase if link == Link::Is => value.split(' ').count() > 2 || value::is_opaque(value),
        _ => !matches!(link, Link::Beside | Link::Is) || value.split(' ').any(value::is_opaque),
    }
}

/// A value without quotes: how much it has to look like a secret depends on the link.
fn bare_is_secret(name: Name, link: Link, value: &str, after: &str, strong: bool) -> bool {
    if name.weak && !value::is_long_opaque(value) || name.hashed && value::is_hash(value) {
        return false;
    }
    // "pass: 4711 of 4800", "imagePullSecrets: regcred"
    let number = value.starts_with(|c: char| c.is_ascii_digit()) && !value.contains(char::is_alphabetic);
    let listed = name.plural && name.secret == SecretKind::Secret && !value::is_opaque(value);
    if name.ticket && number || listed && !strong {
        return false;
    }
    let word = value.trim_end_matches(['.', ':', '!', '?']);
    let password = matches!(name.secret, SecretKind::Password | SecretKind::Passphrase | SecretKind::Secret);
    let opaque = value::is_opaque(word) && !word.contains("://");
    let named = names::classify(word).is_some() && word.contains(['_', '.']);
    let ends = head(after, WINDOW).trim().is_empty()
        || [" (", " */"].iter().any(|end| after.starts_with(end))
        || after.starts_with(['\n', '\r', ',', ';', ')', '"', '\'', '*', '`', '&', '|', '}']);
    match link {
        _ if value::is_status_word(word) => false,
        Link::Tight | Link::Loose | Link::InSentence if strong => !word.is_empty(),
        Link::Flag => password && !value.starts_with('-') || opaque,
        Link::Tight => opaque && !named || password && !named && word.len() >= 3 && names::classify(word).is_none(),
        Link::Loose => opaque && !named || password && !named && ends && word.len() >= 4 && !word.contains('/'),
        Link::InSentence => (opaque || password && ends && value::is_coined(word)) && !named,
        Link::Account => (opaque || password && ends && word.len() > 3 && !word.ends_with("ed")) && !named,
        Link::Enclosed => password && after.starts_with(')') && (opaque || value::is_coined(word)) && !named,
        Link::Is if password && value::is_coined(word) => !named,
        Link::Is if password && !value::is_opaque(word) => value::is_password_like(value) && !value.ends_with('?'),
        Link::Is => (password || word.len() >= 8) && opaque && !named && !is_identifier(word),
        Link::Beside if password && value::is_coined(word) => word.split(['-', '_', '.']).count() > 2,
        Link::Beside if matches!(name.secret, SecretKind::Key | SecretKind::Token | SecretKind::Secret) => {
            value::is_long_opaque(word) && word.chars().all(char::is_alphanumeric)
        }
        Link::Beside => password && opaque && !is_identifier(word) && !word.contains(['(', '=', '/', '@', '.']),
    }
}

/// `users2`, `tokens_2024`: more likely the name of a thing than a password.
fn is_identifier(word: &str) -> bool {
    let digits = word.len() - word.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    word.contains('_') && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        || digits == 0 && word.ends_with('?')
        || word.starts_with('#')
}

/// `crypt(…)`, `req.body.password`: code where a value would be.
fn is_call(value: &str, rest: &str) -> bool {
    let after = &rest[value.len()..];
    let name = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | ':' | '$' | '-' | '>'))
    };
    let call = value.split_once('(').is_some_and(|(head, _)| name(head)) || after.starts_with('(') && name(value);
    let member = value.rsplit_once('.').is_some_and(|(head, last)| name(head) && names::classify(last).is_some());
    call || member
}

/// The value up to white space or a sign that ends it.
fn bare_value(rest: &str, strong: bool) -> &str {
    let stop = |c: char| {
        c.is_whitespace()
            || matches!(c, '"' | '\'' | '`' | ',' | ';' | '\\' | '|')
            || (!strong && matches!(c, ')' | ']'))
            || (!strong && c == '}' && !rest.starts_with(['$', '{', '%', '#', '@', '~']))
            || c == '&'
    };
    // A template may hold spaces: `{{ db_password }}`.
    if rest.starts_with("{{")
        && let Some(end) = rest.bytes().take(WINDOW).position(|b| b == b'}')
        && let Some(template) = rest.get(..(end + 2).min(rest.len()))
    {
        return template;
    }
    let end = rest
        .char_indices()
        .take(WINDOW)
        .find(|&(_, c)| stop(c))
        .map_or_else(|| rest.char_indices().nth(WINDOW).map_or(rest.len(), |(i, _)| i), |(i, _)| i);
    &rest[..end]
}

/// The text up to the closing quote, or None if it does not close on the line. A quote behind a backslash closes it only if it
/// was opened by one.
fn until_quote(rest: &str, quote: char, escaped: bool) -> Option<&str> {
    let close = match quote {
        '“' => '”',
        '«' => '»',
        '„' => '“',
        '‘' => '’',
        same => same,
    };
    let mut before = ' ';
    let (end, last) = rest.char_indices().take(QUOTED).find(|&(_, c)| {
        let inside = std::mem::replace(&mut before, c) == '\\' && !escaped;
        c == close && !inside || c == '\n'
    })?;
    (last == close).then(|| rest[..end].trim_end_matches('\\'))
}
