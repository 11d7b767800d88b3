//! What is typed at the prompt of a server, and carries a password without a name or an option.

use super::{command, value};

/// Whether the command that begins with `rest`, after the text `before`, carries a password.
pub(super) fn has_password(before: &str, rest: &str) -> bool {
    let line = rest.lines().next().unwrap_or_default();
    if line.starts_with(" as the password") || line.starts_with(" as password") {
        return before.split_whitespace().next_back().is_some_and(|word| value::is_opaque(word) && is_secret(word));
    }
    let line = line.trim_start();
    let mut words = line.split_whitespace();
    let first = words.next().unwrap_or_default().to_ascii_lowercase();
    let name = first.split(['(', ':']).next().unwrap_or_default();
    let arguments = line.get(name.len()..).unwrap_or_default();
    match name {
        // Redis: `AUTH password`, `AUTH user password`.
        "auth" if begins_line(before) => {
            let words: Vec<&str> = words.collect();
            words.len() <= 2 && words.last().is_some_and(|word| value::is_opaque(word) && is_secret(word))
        }
        // `ACL SETUSER user on >password`
        "setuser" => words.filter_map(|word| word.strip_prefix('>')).any(is_secret),
        // `CONFIG SET requirepass password`
        "requirepass" | "masterauth" => last_word_is(before, "set") && words.next().is_some_and(is_secret),
        // Db2: `CONNECT TO database USER user USING password`
        "using" => is_connect(before) && words.next().is_some_and(is_secret),
        // SQL*Plus: `CONNECT user/password@database`
        "connect" | "conn" if begins_line(before) => words
            .next()
            .is_some_and(|word| command::is_login(word, '/') && (word.contains('@') || value::is_opaque(word))),
        // Teradata: `.LOGON server/user,password`
        "logon" => words.next().is_some_and(|word| word.split_once(',').is_some_and(|(_, word)| is_secret(word))),
        "login" | "creds" | "zugang" | "zugangsdaten" | "identifiants" => is_noted(arguments),
        // "Log in with report / password"
        "log" | "sign" => line.split_once(" with ").is_some_and(|(_, login)| is_noted(login)),
        // Redis: `HELLO 3 AUTH user password`
        "hello" if begins_line(before) => {
            words.nth(1).is_some_and(|word| word.eq_ignore_ascii_case("auth")) && words.nth(1).is_some_and(is_secret)
        }
        // Windows: `net use X: … /user:name password`
        "net" => {
            let mut words = words.skip_while(|word| !word.to_ascii_lowercase().starts_with("/user:")).skip(1);
            words.next().is_some_and(|word| !word.starts_with('/') && value::is_opaque(word) && is_secret(word))
        }
        // `OPENROWSET('provider', 'server';'user';'password', …)`
        "openrowset" => arguments.split(';').nth(2).and_then(|rest| literal(rest, 0)).is_some_and(is_text),
        // ClickHouse: `s3('url', 'key', 'secret', …)`, `encrypt('aes-…', text, 'key')`
        "s3" => literal(arguments, 2).is_some_and(|text| value::is_long_opaque(text) && is_text(text)),
        "crypt" => literal(arguments, 2).is_some_and(is_text),
        name => PROCEDURES.iter().any(|(known, at)| *known == name && literal(arguments, *at).is_some_and(is_text)),
    }
}

/// Notes such as `login: ada / password`, `creds ada:password`.
fn is_noted(after: &str) -> bool {
    let after = after.trim_start_matches([':', '=', ' ']);
    let mut words = after.strip_prefix("is ").unwrap_or(after).split_whitespace().take(3);
    let (user, sign, last) = (words.next().unwrap_or_default(), words.next(), words.next());
    let together = || user.split_once(':').or_else(|| user.split_once('/')).map(|(_, password)| password);
    let password = if sign == Some("/") { last } else { together() };
    password.is_some_and(|word| value::is_opaque(word) && word.contains(char::is_alphabetic) && is_secret(word))
}

fn is_text(literal: &str) -> bool {
    !value::is_placeholder(literal)
}

/// Procedures of SQL Server that are called without brackets, and which argument is the password.
const PROCEDURES: [(&str, usize); 6] = [
    ("sp_addlogin", 1),
    ("sp_password", 1),
    ("sp_addapprole", 1),
    ("sp_setapprole", 1),
    ("sp_addlinkedsrvlogin", 4),
    ("sp_addremotelogin", 2),
];

fn is_secret(word: &str) -> bool {
    command::is_secret(command::first_word(word))
}

/// The line, or the statement, that `before` ends with.
fn line(before: &str) -> &str {
    before.rsplit(['\n', ';']).next().unwrap_or(before)
}

fn begins_line(before: &str) -> bool {
    line(before).trim().is_empty()
}

fn last_word_is(before: &str, word: &str) -> bool {
    before.split_whitespace().next_back().is_some_and(|last| last.eq_ignore_ascii_case(word))
}

fn is_connect(before: &str) -> bool {
    let words: Vec<String> = line(before).split_whitespace().take(6).map(str::to_ascii_lowercase).collect();
    words.first().is_some_and(|word| word == "connect") && words.iter().any(|word| word == "user")
}

/// The argument `index` of a list that is separated by commas, if it is a text in quotes.
fn literal(arguments: &str, index: usize) -> Option<&str> {
    let argument = arguments.split(',').nth(index)?.trim_start_matches(['(', ' ']);
    argument.strip_prefix(['N', 'n']).unwrap_or(argument).strip_prefix('\'')?.split('\'').next()
}
