//! Statements put together from literals: `'ALTER ROLE ' || r || ' PASSWORD ' || quote_literal('…')`.
//!
//! A literal that ends where the password is about to come opens a place for it; the next literal fills the place. A name in
//! between means that a variable does.

use super::token::{Token, is_any};

/// What stands right before the password.
const ENDS: &[&str] = &["password", "password =", "password=", "identified by"];
/// How a literal that is a statement begins, or the part of one that only brings the password.
#[rustfmt::skip]
const STARTS: &[&str] = &[
    "alter ", "create ", "grant ", "set password", "password", "with password", "encrypted password",
    "with encrypted password", "with login password", "login password", "identified by",
];
/// Functions that a literal is handed through on its way.
const THROUGH: &[&str] = &["quote_literal", "quote_nullable", "quotename", "quote", "concat", "n"];

/// Whether the next literal after `text` is a password.
pub(super) fn opens(text: &str) -> bool {
    let head = text.trim_end_matches(['\'', '"', ' ', '\\', 'N']);
    if head.len() == text.len() && !head.ends_with('=') {
        return false;
    }
    let lower = head.trim_start_matches(['\'', '"', ' ', '@', '%']).to_ascii_lowercase();
    ENDS.iter().any(|end| lower.ends_with(end)) && STARTS.iter().any(|start| lower.starts_with(start))
}

/// Whether the place stays open after `token`.
pub(super) fn stays(token: Token<'_>) -> bool {
    match token {
        Token::Other | Token::Comma | Token::Open(b'(') => true,
        Token::Word(word) => is_any(word, THROUGH),
        _ => false,
    }
}
