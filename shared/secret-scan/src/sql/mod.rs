//! Statements and shell code: SQL of PostgreSQL, MySQL and SQLite, and the MongoDB shell.
//!
//! [`lexer`] splits a text into tokens, [`statement`] follows them, [`given`] says what each
//! literal is given to, and [`calls`] knows the functions that take a secret. Comments and the insides of strings are
//! text again and are searched for `name=value` pairs.

mod bare;
mod calls;
mod code;
mod frames;
mod given;
mod lexer;
mod literal;
mod logins;
mod opened;
mod operand;
mod rows;
mod statement;
mod token;
mod variables;

use super::{Kind, names::Name, pairs, trigger};

/// How many times a string inside a string is read as a statement.
const NESTING: u8 = 2;

/// The first credential in `text`, which is a statement if `is_query` or if it starts like one.
/// In a statement a value without quotes is a name; in prose it may be the secret itself.
pub(super) fn in_text(text: &str, is_query: bool) -> Option<Kind> {
    search(text, is_query, NESTING)
}

/// Whether the value of a column is a secret.
pub(super) fn is_secret(column: Name, text: &str) -> bool {
    literal::is_secret(column, text)
}

fn search(text: &str, is_query: bool, nesting: u8) -> Option<Kind> {
    let prose = if code::is_code(text, is_query) { None } else { pairs::find(text) };
    prose.or_else(|| statement::find(text, nesting)).or_else(|| quoted_by_error(text, nesting))
}

/// MySQL quotes the statement it could not read without escaping it:
/// `near 'IDENTIFIED BY 'secret'' at line 1`.
fn quoted_by_error(text: &str, nesting: u8) -> Option<Kind> {
    let (_, rest) = text.split_once("near '").or_else(|| text.split_once("near \""))?;
    statement::find(rest, nesting)
}

/// Searches the text of a comment.
fn in_comment(text: &str, nesting: u8) -> Option<Kind> {
    let left = nesting.checked_sub(1)?;
    let worth = trigger::families(text) & (trigger::NAME | trigger::SQL) != 0;
    worth.then(|| search(text, false, left)).flatten()
}

/// A piece of a statement that is put together, which may begin inside a literal: `'@'%' IDENTIFIED BY '…'`.
fn in_fragment(text: &str, nesting: u8) -> Option<Kind> {
    let at = text.to_ascii_lowercase().find("identified by '")?;
    statement::find(&format!("ALTER USER x {}", &text[at..]), nesting)
}

/// Searches the inside of a string: a connection string, JSON, or a statement to be executed.
fn in_string(text: &str, nesting: u8) -> Option<Kind> {
    let left = nesting.checked_sub(1)?;
    if trigger::families(text) & (trigger::NAME | trigger::SQL) == 0 {
        return None;
    }
    pairs::find(text).or_else(|| {
        let quotes = text.contains(['\'', '"']) || text.contains("IDENTIFIED BY ") || text.contains("identified by ");
        if !quotes {
            return None;
        }
        let plain = text.replace("''", "'").replace("\\'", "'").replace("\\\"", "\"");
        statement::find(&plain, left).or_else(|| in_fragment(&plain, left))
    })
}
