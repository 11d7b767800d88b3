//! Functions and procedures whose password is told by its place alone, and that stand where the statements of [`super::sql`] do
//! not follow them: behind `ENGINE =`, or without brackets.

use super::{console::Typed, value};

/// Procedures of SQL Server that are called without brackets, and which argument is the password.
const PROCEDURES: [(&str, usize); 7] = [
    ("sp_addlogin", 1),
    ("sp_password", 1),
    ("sp_addlinkedsrvlogin", 4),
    ("sp_addremotelogin", 2),
    ("sp_addapprole", 1),
    ("sp_setapprole", 1),
    ("sp_change_users_login", 3),
];

/// Whether the command is such a function, and its password is written out.
pub(super) fn has_password(typed: &Typed<'_>) -> bool {
    let literal = |index| literal(typed.arguments(), index);
    match typed.name.as_str() {
        // `OPENROWSET('provider', 'server';'user';'password', …)`
        "openrowset" => {
            let password = typed.arguments().split(';').nth(2).and_then(|rest| self::literal(rest, 0));
            password.is_some_and(is_text)
        }
        // ClickHouse: `s3('url', 'key', 'secret', …)`, `encrypt('aes-…', text, 'key')`
        "s3" | "gcs" | "oss" | "cosn" => literal(2).is_some_and(is_bucket_key),
        "s3cluster" => literal(3).is_some_and(is_bucket_key),
        "azureblobstorage" => literal(4).is_some_and(|text| value::is_long_opaque(text) && is_text(text)),
        // The engine leaves out what the function says of the columns.
        "redis" => literal(if typed.before.trim_end().ends_with('=') { 2 } else { 4 }).is_some_and(is_text),
        "crypt" => literal(2).is_some_and(is_text),
        name => PROCEDURES.iter().any(|(known, at)| *known == name && literal(*at).is_some_and(is_text)),
    }
}

fn is_text(literal: &str) -> bool {
    !value::is_placeholder(literal)
}

/// The secret of a bucket: long, and no list of columns (`a Int32`), format or compression.
fn is_bucket_key(text: &str) -> bool {
    text.len() >= 12 && !text.contains([' ', '(', ',']) && value::is_opaque(text) && is_text(text)
}

/// The argument `index` of a list that is separated by commas, if it is a text in quotes.
fn literal(arguments: &str, index: usize) -> Option<&str> {
    let mut quoted = false;
    let comma = |c: char| {
        quoted ^= c == '\'';
        c == ',' && !quoted
    };
    let argument = arguments.split(comma).nth(index)?.trim_start_matches(['(', ' ']);
    // `@new = '…'`
    let named = argument.split_once('=').filter(|_| argument.starts_with('@'));
    let argument = named.map_or(argument, |(_, value)| value.trim_start());
    argument.strip_prefix(['N', 'n']).unwrap_or(argument).strip_prefix('\'')?.split('\'').next()
}
