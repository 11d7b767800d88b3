//! Functions and procedures whose password is told by its place alone, and that stand where [`crate::sql`] does not follow
//! them: behind `ENGINE =`, or without brackets.

use super::command::Command;
use crate::value;

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

/// `OPENROWSET('provider', 'server';'user';'password', …)`
pub(super) fn openrowset<'t>(command: &Command<'t>) -> Option<&'t str> {
    argument(command.arguments().split(';').nth(2)?, 0)
}

/// ClickHouse: `s3('url', 'key', 'secret', …)`
pub(super) fn storage<'t>(command: &Command<'t>) -> Option<&'t str> {
    let index = match command.name.as_str() {
        "s3" | "gcs" | "oss" | "cosn" => 2,
        "s3cluster" => 3,
        "azureblobstorage" => return argument(command.arguments(), 4).filter(|text| value::is_long_opaque(text)),
        _ => return None,
    };
    argument(command.arguments(), index).filter(|text| is_bucket_key(text))
}

/// ClickHouse: `redis('host', 'key', 'columns', 0, 'password')`; the engine leaves the columns and their key out.
pub(super) fn redis<'t>(command: &Command<'t>) -> Option<&'t str> {
    let engine = command.before.trim_end().ends_with('=');
    argument(command.arguments(), if engine { 2 } else { 4 })
}

/// ClickHouse: `encrypt('aes-…', text, 'key')`
pub(super) fn encrypt<'t>(command: &Command<'t>) -> Option<&'t str> {
    argument(command.arguments(), 2)
}

/// `EXEC sp_addlogin 'ada', 'password'`
pub(super) fn procedure<'t>(command: &Command<'t>) -> Option<&'t str> {
    let (_, index) = PROCEDURES.iter().find(|(known, _)| *known == command.name)?;
    argument(command.arguments(), *index)
}

/// The secret of a bucket: long, and no list of columns (`a Int32`), format or compression.
fn is_bucket_key(text: &str) -> bool {
    text.len() >= 12 && !text.contains([' ', '(', ',']) && value::is_opaque(text)
}

/// Returns the argument `index` of a comma-separated list if it is a quoted text and no placeholder.
fn argument(arguments: &str, index: usize) -> Option<&str> {
    let mut quoted = false;
    let comma = |c: char| {
        quoted ^= c == '\'';
        c == ',' && !quoted
    };
    let argument = arguments.split(comma).nth(index)?.trim_start_matches(['(', ' ']);
    // `@new = '…'`
    let named = argument.split_once('=').filter(|_| argument.starts_with('@'));
    let argument = named.map_or(argument, |(_, value)| value.trim_start());
    let literal = argument.strip_prefix(['N', 'n']).unwrap_or(argument).strip_prefix('\'')?.split('\'').next();
    literal.filter(|text| !value::is_placeholder(text))
}
