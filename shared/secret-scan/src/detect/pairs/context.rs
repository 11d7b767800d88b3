//! What the words around a name say of it: that it names a secret there, or something else.

use super::link::Link;
use crate::text::{WINDOW, head, line_before};

/// How a name is linked to its value, now that what stands before the name and after it is known as well; None if it is not,
/// or a program will ask for the value.
pub(super) fn link(link: Link, before: &str, after: &str) -> Option<Link> {
    // "mot de passe" is one word.
    let trimmed = before.trim_end_matches(' ');
    let trimmed = ["mot de", "Mot de"].iter().find_map(|head| trimmed.strip_suffix(head)).unwrap_or(trimmed);
    let trimmed = trimmed.trim_end_matches(' ');
    let belongs = trimmed.ends_with("'s") || trimmed.ends_with("’s");
    let in_sentence = trimmed.len() < before.len() && trimmed.ends_with(char::is_alphanumeric) && !belongs;
    match link {
        // OpenSSL: `-passin pass:…`
        Link::Loose if after.starts_with(':') && !after.starts_with(": ") && trimmed.ends_with("-passin") => Some(link),
        // SQL*Plus: `DEFINE pw = …`
        Link::Loose if in_sentence && !follows_account(trimmed) && !trimmed.eq_ignore_ascii_case("define") => {
            Some(Link::InSentence)
        }
        // The end of a path, a variable.
        Link::Beside if before.ends_with(['/', '$', '@', ':', '%', '&']) => None,
        Link::Beside if is_setting(trimmed) => Some(Link::Flag),
        Link::Beside if trimmed.ends_with('(') => Some(Link::Enclosed),
        Link::Beside if goes_with_account(trimmed) || follows_account(trimmed) => Some(Link::Account),
        Link::Flag if asks_for_it(trimmed) => None,
        link => Some(link),
    }
}

/// Whether the text is a connection string, going by its other parts.
pub(super) fn is_connection(text: &str) -> bool {
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
pub(super) fn is_variable(word: &str) -> bool {
    word.starts_with("--") || word.len() > 3 && !word.contains(char::is_lowercase)
}

/// `X-ClickHouse-Key`, whose value is no word of a sentence either.
pub(super) fn is_header(word: &str, rest: &str) -> bool {
    let plain =
        head(rest, WINDOW).split_whitespace().next().is_some_and(|value| value.bytes().all(|b| b.is_ascii_lowercase()));
    word.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-")) && !plain
}

/// `arn:aws:secretsmanager:…:secret:name`, `secret://team/db`: the word is a part of a reference to where the secret is.
pub(super) fn in_reference(before: &str, after: &str) -> bool {
    if after.starts_with("://") {
        return true;
    }
    let run =
        before.bytes().rev().take(WINDOW).take_while(|b| b.is_ascii_alphanumeric() || b":/-_.".contains(b)).count();
    let run = &before[before.len() - run..];
    run.ends_with([':', '/'])
        && ["arn:", "urn:", "op:", "vault:", "ssm:", "sm:"].iter().any(|start| run.starts_with(start))
}

/// `secrets:write`: what somebody may do.
pub(super) fn is_scope(after: &str) -> bool {
    after.strip_prefix(':').is_some_and(|action| {
        let word = action.bytes().take(20).take_while(u8::is_ascii_lowercase).count();
        word > 2 && !action[word..].starts_with(|c: char| c.is_alphanumeric())
    })
}

/// "user: ada pass: …": the pair is one of several on the line.
fn follows_account(before: &str) -> bool {
    let line = line_before(before);
    if !line.contains([':', '=']) {
        return false;
    }
    let lower = line.to_ascii_lowercase();
    ["user:", "username:", "login:", "user=", "username=", "benutzer:", "usuario:", "utilisateur:", "utente:"]
        .iter()
        .any(|account| lower.contains(account))
}

/// "user/password: …"
pub(super) fn names_both(before: &str) -> bool {
    ["user/", "username/", "login/", "usr/", "User/", "Username/", "Login/"].iter().any(|both| before.ends_with(both))
}

/// "log in as bi / password …", "user ada, password …"
fn goes_with_account(before: &str) -> bool {
    let Some(account) = before.strip_suffix(['/', ',', '&', '+', '|']).or_else(|| before.strip_suffix(" and")) else {
        return false;
    };
    let mut words = line_before(account).split_whitespace().rev().take(4);
    let named = words.next().is_some_and(|word| !word.ends_with([',', '.', ';']));
    named
        && words.next().is_some_and(|word| {
            let word = word.trim_end_matches(':').to_ascii_lowercase();
            ["user", "username", "login", "as", "account", "usr", "uid", "benutzer", "usuario", "utilisateur"]
                .contains(&word.as_str())
        })
}

/// `\set password …`, `:setvar password …`, and a line of `.netrc`.
fn is_setting(before: &str) -> bool {
    let line = line_before(before).trim_start();
    ["\\set", ":setvar", "setenv", "setx", "export"].contains(&line)
        || line.ends_with(" configure set")
        || ["HSET ", "HMSET ", "hset ", "hmset ", "SENTINEL SET ", "mysqladmin "]
            .iter()
            .any(|start| line.starts_with(start))
        || line.ends_with(':') && (line.starts_with("SET ") || line.starts_with("set "))
        || (line.starts_with("machine ") || line.starts_with("default ")) && line.contains(" login ")
}

/// `mysql --user=root --password shop`: without a `=` the program asks for the password.
fn asks_for_it(before: &str) -> bool {
    let line = line_before(before).rsplit([';', '|']).next().unwrap_or_default();
    line.split_whitespace().take(3).any(|word| word.starts_with("mysql") || word.starts_with("mariadb"))
}
