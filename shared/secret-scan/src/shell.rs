//! Programs of a shell that take a password by its place, or that another program hands it to.

use super::{
    around::line_before,
    command,
    console::{Typed, is_secret},
};

/// Whether the command is such a program, and is given a password.
pub(super) fn has_password(typed: &Typed<'_>) -> bool {
    let mut words = typed.words();
    match typed.name.as_str() {
        "net" => is_net_use(typed.arguments()) || is_net_user(words),
        // `sqlldr userid=user/password`, `rman target user/password`, `exp user/password file=…`
        "userid=" | "sqlldr" => is_oracle_login(typed.arguments()),
        "target" => typed.follows("rman") && is_oracle_login(typed.arguments()),
        "exp" => typed.begins_line() && typed.line.contains('=') && is_oracle_login(typed.arguments()),
        // `echo user:password | chpasswd`
        "chpasswd" => {
            let piped = line_before(typed.before).split_whitespace().rev().skip(1).take(2);
            piped.map(command::first_word).any(|word| command::is_login(word, ':'))
        }
        // `htpasswd -b file user password`
        "htpasswd" => {
            let is_batch = |word: &&str| word.starts_with('-') && word.contains('b');
            words.skip_while(|word| !is_batch(word)).nth(3).is_some_and(is_secret)
        }
        // `REDISCLI_AUTH=password`, `NEO4J_AUTH=neo4j/password`
        "_auth=" if typed.before.ends_with("REDISCLI") || typed.before.ends_with("REDIS") => {
            is_secret(typed.arguments())
        }
        "_auth=" => command::is_login(command::first_word(typed.arguments()), '/'),
        // `ConvertTo-SecureString 'password' -AsPlainText`
        "securestring" => typed.line.contains("-AsPlainText") && words.next().is_some_and(is_secret),
        // `echo password | docker login --password-stdin`
        "-stdin" | "sudo" | "secret" | "luksopen" => is_piped(typed.before),
        // `az keyvault secret set --name db --value password`
        "--value" | "--secret-string" => {
            let lower = line_before(typed.before).to_ascii_lowercase();
            (lower.contains("secret") || lower.contains("securestring")) && words.next().is_some_and(is_secret)
        }
        _ => false,
    }
}

/// Whether a word that `before` echoes goes into the program that comes now.
fn is_piped(before: &str) -> bool {
    let Some((left, _)) = line_before(before).rsplit_once('|') else {
        return false;
    };
    let mut words = left.rsplit(['|', ';']).next().unwrap_or_default().split_whitespace();
    let echo = words.next().is_some_and(|word| matches!(word, "echo" | "printf"));
    echo && words.next_back().is_some_and(is_secret)
}

/// `net use X: \\server\share password /user:name`
fn is_net_use(after: &str) -> bool {
    let Some(rest) = after.trim_start().strip_prefix("use ") else {
        return false;
    };
    let mut words = rest.split_whitespace().skip_while(|word| !word.starts_with("\\\\"));
    words.next();
    words.take(6).any(|word| {
        let word = word.trim_end_matches(['\'', '"', ';', ')']);
        !word.starts_with(['/', '-', '>', '|', '&']) && word.len() > 3 && is_secret(word)
    })
}

/// `net user name password /add`
fn is_net_user<'a>(mut words: impl Iterator<Item = &'a str>) -> bool {
    words.next() == Some("user") && words.nth(1).is_some_and(|word| !word.starts_with(['/', '*']) && is_secret(word))
}

/// `user/password`, `user/password@database` of Oracle's programs; no path, and not "and/or".
pub(super) fn is_oracle_login(after: &str) -> bool {
    let word = after.trim_start_matches(['=', ' ', '\'', '"']).split_whitespace().next().unwrap_or_default();
    command::is_login(word, '/') && !word.starts_with(['.', '~']) && !is_alternative(word)
}

/// "and/or", "read/write" are no logins.
fn is_alternative(word: &str) -> bool {
    const FIRST: [&str; 9] = ["and", "read", "client", "tcp", "input", "start", "on", "yes", "in"];
    let first = word.split('/').next().unwrap_or_default();
    FIRST.iter().any(|known| first.eq_ignore_ascii_case(known)) || !word.contains('@') && word.matches('/').count() != 1
}
