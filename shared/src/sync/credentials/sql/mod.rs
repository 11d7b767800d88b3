//! Statements and shell code: SQL of PostgreSQL, MySQL and SQLite, and the MongoDB shell.
//!
//! [`lexer`] splits a text into tokens, [`statement`] follows them, [`given`] says what each
//! literal is given to, and [`calls`] knows the functions that take a secret. Comments and the insides of strings are
//! text again and are searched for `name=value` pairs.

mod calls;
mod code;
mod frames;
mod given;
mod lexer;
mod literal;
mod operand;
mod statement;
mod token;

use super::{Kind, pairs, trigger};

/// How many times a string inside a string is read as a statement.
const NESTING: u8 = 2;

/// The first credential in `text`, which is a statement if `is_query` or if it starts like one.
/// In a statement a value without quotes is a name; in prose it may be the secret itself.
pub(super) fn in_text(text: &str, is_query: bool) -> Option<Kind> {
    search(text, is_query, NESTING)
}

fn search(text: &str, is_query: bool, nesting: u8) -> Option<Kind> {
    let prose = if code::is_code(text, is_query) { None } else { pairs::find(text) };
    prose
        .or_else(|| settings(text))
        .or_else(|| statement::find(text, nesting))
        .or_else(|| quoted_by_error(text, nesting))
}

/// Spark and Hive take the rest of the line as it is: `SET fs.s3a.secret.key=…`.
fn settings(text: &str) -> Option<Kind> {
    text.split([';', '\n']).find_map(|line| {
        let (name, value) = line.trim().split_once('=')?;
        let name = name.get(..4).filter(|word| word.eq_ignore_ascii_case("set ")).map(|_| name.get(4..))??;
        let is_setting = name.contains('.') && !value.contains(['\'', '"']);
        let pair = |name: &str| pairs::find(&format!("{}={value}", name.trim()));
        if is_setting { pair(name).or_else(|| pair(&name.replace('.', "_"))) } else { None }
    })
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

/// Searches the inside of a string: a connection string, JSON, or a statement to be executed.
fn in_string(text: &str, nesting: u8) -> Option<Kind> {
    let left = nesting.checked_sub(1)?;
    if trigger::families(text) & (trigger::NAME | trigger::SQL) == 0 {
        return None;
    }
    pairs::find(text).or_else(|| {
        let quotes = text.contains(['\'', '"']);
        let plain = || text.replace("''", "'").replace("\\'", "'").replace("\\\"", "\"");
        quotes.then(|| statement::find(&plain(), left)).flatten()
    })
}
