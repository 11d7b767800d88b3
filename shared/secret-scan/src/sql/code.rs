//! Whether a text is a statement or prose.

use crate::rules::words;

/// Words that start both, with an object behind them in a statement.
const DEFINERS: &[&str] = &["create", "alter", "drop", "rename"];

/// Words that start both, with the words that may follow in a statement.
const WITH_NEXT: &[(&str, &[&str])] = &[
    ("comment", &["on"]),
    ("replace", &["into"]),
    ("do", &["$$", "$"]),
    ("lock", &["table", "tables"]),
    ("start", &["transaction", "replica", "slave"]),
    ("refresh", &["materialized"]),
    ("change", &["master", "replication"]),
    ("let", &[]),
];

/// Words that start a statement if one of these signs or words comes later.
const WITH_LATER: &[(&str, &[&str])] = &[
    ("update", &[" set ", "\nset "]),
    ("with", &[" as (", " as materialized", " as not materialized", " as\n"]),
    ("set", &[]),
    ("show", &["variables", "tables", "columns", "grants", "create", "status", "index"]),
    ("grant", &[" to ", " on "]),
    ("call", &["("]),
    ("copy", &[" from '", " to '", " from stdin", " to stdout", " from program"]),
    ("execute", &["("]),
    ("exec", &["sp_", "dbo.", "@"]),
    ("reset", &[]),
];

/// Whether `text` is a statement. `is_query` says that it stands where a statement is expected.
pub(super) fn is_code(text: &str, is_query: bool) -> bool {
    let text = skip_comments(text);
    if text.starts_with("db.")
        || text.starts_with("db[")
        || text.starts_with("rs.")
        || text.starts_with("use ") && is_query
        || text.starts_with("new Mongo(")
    {
        return true;
    }
    // Commands of psql and sqlcmd: `\set`, `:setvar`.
    if text.starts_with(['\\', ':']) {
        return false;
    }
    let mut words = text.split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '$')).filter(|w| !w.is_empty());
    let (Some(first), next) = (words.next(), words.next().unwrap_or_default()) else {
        return false;
    };
    let first = first.to_ascii_lowercase();
    let listed = |list: &[(&str, &[&str])]| list.iter().any(|(word, _)| *word == first);
    if words::STATEMENT_STARTS.contains(&first)
        || changes_object(&first, next)
        || is_query && (listed(WITH_NEXT) || listed(WITH_LATER) || DEFINERS.contains(&first.as_str()))
    {
        return true;
    }
    if let Some((_, nexts)) = WITH_NEXT.iter().find(|(word, _)| *word == first) {
        return nexts.iter().any(|word| next.eq_ignore_ascii_case(word));
    }
    let Some((_, later)) = WITH_LATER.iter().find(|(word, _)| *word == first) else {
        return false;
    };
    let lower = text.to_ascii_lowercase();
    later.iter().any(|sign| lower.contains(sign))
}

/// `CREATE TABLE`, `ALTER ROLE`
fn changes_object(first: &str, next: &str) -> bool {
    DEFINERS.contains(&first) && words::OBJECTS.contains_any_case(next)
}

/// The text after leading white space, brackets and comments.
fn skip_comments(text: &str) -> &str {
    let mut rest = text;
    loop {
        let next = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '(' | '\u{feff}' | ';'));
        let line = || next.split_once('\n').map_or("", |(_, rest)| rest);
        let next = if next.starts_with("--") || next.starts_with('#') || next.starts_with("//") {
            line()
        } else if next.starts_with("/*") && !next.starts_with("/*!") {
            next.split_once("*/").map_or("", |(_, rest)| rest)
        } else {
            next
        };
        if next.len() == rest.len() {
            return rest;
        }
        rest = next;
    }
}
