//! What is typed at the prompts of Redis, Db2, Oracle and Teradata.

use super::command::{Command, oracle_login, secret};
use crate::value;

/// `AUTH password`, `AUTH user password`, `HELLO 3 AUTH user password`, `MIGRATE … AUTH password`,
/// `MIGRATE … AUTH2 user password`
pub(super) fn redis_auth<'t>(command: &Command<'t>) -> Option<&'t str> {
    let mut words = command.words();
    match command.name.as_str() {
        "auth" if command.begins_line() => {
            let (first, second) = (words.next()?, words.next());
            let password = second.unwrap_or(first);
            // In capitals it is no word of a sentence.
            let capital = command.line.starts_with("AUTH ") && !value::is_status_word(password);
            let alone = words.next().is_none() && (value::is_opaque(password) || capital);
            secret(password).filter(|_| alone)
        }
        "auth" if command.statement_begins_with("hello") => words.nth(1).and_then(secret),
        "auth" if command.statement_begins_with("migrate") => words.next().and_then(secret),
        "auth2" if command.statement_begins_with("migrate") => words.nth(1).and_then(secret),
        _ => None,
    }
}

/// `ACL SETUSER user on >password`
pub(super) fn redis_setuser<'t>(command: &Command<'t>) -> Option<&'t str> {
    command.words().filter_map(|word| word.strip_prefix('>')).find_map(secret)
}

/// `CONFIG SET requirepass password`, `requirepass password`
pub(super) fn redis_requirepass<'t>(command: &Command<'t>) -> Option<&'t str> {
    let before = command.before.split_whitespace().next_back();
    let set = before.is_some_and(|last| last.eq_ignore_ascii_case("set"));
    command.words().next().filter(|_| set || command.begins_line()).and_then(secret)
}

/// `CONNECT TO database USER user USING password`, `ATTACH TO instance USER user USING password`, also behind the name of
/// the program.
pub(super) fn db2_connect<'t>(command: &Command<'t>) -> Option<&'t str> {
    let mut words = command.statement().split_whitespace().take(6);
    let is = |word: &str, known: &[&str]| known.iter().any(|known| word.eq_ignore_ascii_case(known));
    let (first, second) = (words.next()?, words.next()?);
    let connects = [first, second].iter().any(|word| is(word.trim_matches('"'), &["connect", "attach"]));
    let named = connects && (is(second, &["user"]) || words.any(|word| is(word, &["user"])));
    command.words().next().filter(|_| named && command.name == "using").and_then(secret)
}

/// SQL*Plus: `CONNECT user/password@database`, `conn user/password`
pub(super) fn oracle_connect<'t>(command: &Command<'t>) -> Option<&'t str> {
    if !matches!(command.name.as_str(), "connect" | "conn") || !command.begins_line() {
        return None;
    }
    let mut words = command.words();
    let word = words.next()?;
    let ends = words.next().is_none_or(|next| next.eq_ignore_ascii_case("as"));
    oracle_login(word).filter(|_| word.contains('@') || value::is_opaque(word) || ends)
}

/// `.LOGON server/user,password`
pub(super) fn teradata_logon<'t>(command: &Command<'t>) -> Option<&'t str> {
    secret(command.words().next()?.split_once(',')?.1)
}
