//! Notes of how to log in, in which no word names a password: an account and its password (`ada / …`).

use super::command::{Command, secret};
use crate::{
    text::{head, line_before},
    value,
};

/// Words between "log in" and the account.
const FILLERS: &[&str] = &["in", "with", "as", "using", "mit", "als", "avec", "con", "com", "is", "are", "sind", "for"];
/// Accounts that every server has, or most.
const ACCOUNTS: &[&str] = &["admin", "administrator", "root", "sa", "postgres", "sys", "system", "app", "test", "demo"];
/// Maximum length of a login, in bytes.
const LOGIN: usize = 120;

/// `login: ada / password`, `creds ada:password`, `log in with ada / password`
pub(super) fn login<'t>(command: &Command<'t>) -> Option<&'t str> {
    #[rustfmt::skip]
    const NAMES: &[&str] = &[
        "login", "logins", "log", "sign", "creds", "credentials", "zugangsdaten", "zugang", "identifiants", "anmelden",
        "anmeldung", "einloggen", "acceso", "accesso",
    ];
    if !NAMES.contains(&command.name.as_str()) {
        return None;
    }
    let words = head(command.arguments(), LOGIN).trim_start_matches([':', '=', ' ']).split_whitespace();
    let mut words = words.skip_while(|word| FILLERS.contains(word)).take(3);
    let (user, sign, last) = (words.next()?, words.next(), words.next());
    let name = user.split([':', '/']).next().unwrap_or_default();
    if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '@' | '\\')) {
        return None;
    }
    let together = || user.split_once(':').or_else(|| user.split_once('/')).map(|(_, password)| password);
    let password = if sign == Some("/") { last } else { together() };
    password.and_then(self::password)
}

/// `-- ada / password`, "use ada / password"
pub(super) fn account<'t>(command: &Command<'t>) -> Option<&'t str> {
    let line = line_before(command.before).trim_start();
    let text = line.trim_start_matches(['-', '#', '/', '*']);
    let mut words = text.split_whitespace().rev();
    let account = words.next()?;
    let named = match words.next() {
        None => text.len() < line.len() || ACCOUNTS.iter().any(|known| text.trim().eq_ignore_ascii_case(known)),
        Some(word) => {
            let word = word.to_ascii_lowercase();
            matches!(word.as_str(), "use" | "user" | "account") || FILLERS.contains(&word.as_str())
        }
    };
    let plain = account.chars().all(|c| c.is_alphanumeric() || "_-.@".contains(c));
    command.words().next().filter(|_| named && plain).and_then(password)
}

/// "use … as the password"; in capitals it is SQL.
pub(super) fn as_password<'t>(command: &Command<'t>) -> Option<&'t str> {
    let named = ["as the password", "as password"].iter().any(|words| command.line.starts_with(words));
    let word = command.before.split_whitespace().next_back()?;
    secret(word).filter(|_| named && (value::is_opaque(word) || value::is_coined(word)))
}

/// A word behind an account, if it is its password.
fn password(word: &str) -> Option<&str> {
    secret(word).filter(|_| (is_made_up(word) || value::is_coined(word)) && !is_label(word))
}

/// The number of a ticket, a version, a quarter or a time: `TICKET-8812`, `v2.3.1`, `Q3-2024`, `12:00:00Z`.
fn is_label(word: &str) -> bool {
    let (head, tail) = word.split_once('-').unwrap_or_default();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let ticket = head.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()) && digits(tail);
    let dotted = word.trim_start_matches(['v', 'V']).trim_end_matches('Z').split(['.', ':']);
    ticket || dotted.into_iter().all(digits)
}

/// More than a word with a number behind it, such as `MFA2`.
fn is_made_up(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let inner = word.trim_end_matches(|c: char| c.is_ascii_digit()).contains(|c: char| c.is_ascii_digit());
    let signs = word.contains(['!', '#', '$', '%', '&', '*', '+', '?', '@']);
    value::is_opaque(word) && word.len() > 5 && (digits > 1 || inner || signs)
}
