//! Statements and shell code: SQL of PostgreSQL, MySQL and SQLite, and the MongoDB shell.
//!
//! [`lexer`] splits a text into tokens, and [`machine`] follows them through the states of [`state`]. [`expected`] and
//! [`sets`] say what a literal is given to, and [`calls`] knows the functions. Comments and the insides of strings are
//! text again and are searched for `name=value` pairs.

mod bare;
mod calls;
mod code;
mod expected;
mod frames;
mod joined;
mod lexer;
mod logins;
mod machine;
mod memory;
mod operand;
mod rows;
mod sets;
mod state;
mod targets;
mod token;

pub(crate) use state::Parameters;

use lexer::Lexer;
use machine::Reading;
use state::{Memory, Script, State};

use crate::{
    detect::pairs,
    rules::{KeywordGroups, RuleId},
    text::{Hits, Match, Text},
};

/// How many times a string inside a string is read as a statement.
const NESTING: u8 = 2;

/// Keywords for which the parts of a text are read again.
const READ: KeywordGroups = KeywordGroups(KeywordGroups::NAMES.0 | KeywordGroups::STATEMENTS.0);

/// Quotes inside a string, and what they stand for.
const ESCAPES: [(&str, &str); 3] = [("''", "'"), ("\\'", "'"), ("\\\"", "\"")];

/// Returns the first secret in `text`, which is a statement if `is_query` or if it starts like one.
/// In a statement a value without quotes is a name; in prose it may be the secret itself.
pub(crate) fn find<'t>(text: &Text<'t>, is_query: bool) -> Option<Match<'t>> {
    search(text, is_query, NESTING, &Parameters::default())
}

/// Returns the parameters that the statements of `text` give to a secret.
pub(crate) fn secret_parameters(text: &str) -> Parameters {
    let script = Script::new(text);
    let mut state = State::new(&script, Memory::default());
    for token in Lexer::new(text) {
        state.read(token, "");
    }
    state.memory.parameters
}

fn search<'t>(text: &Text<'t>, is_query: bool, nesting: u8, parameters: &Parameters) -> Option<Match<'t>> {
    let prose = if code::is_code(text.all, is_query) { None } else { pairs::find(text) };
    prose.or_else(|| in_statements(text, text.all, nesting, parameters)).or_else(|| {
        let quoted = quoted_by_error(text.all)?;
        text.budget.spend(looks(quoted))?;
        in_statements(text, quoted, nesting, parameters)
    })
}

/// MySQL quotes the statement it could not read without escaping it:
/// `near 'IDENTIFIED BY 'secret'' at line 1`.
fn quoted_by_error(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("near '").or_else(|| text.split_once("near \""))?;
    Some(rest)
}

/// Searches the statements of `part`, a part of `text`.
fn in_statements<'t>(text: &Text<'t>, part: &'t str, nesting: u8, parameters: &Parameters) -> Option<Match<'t>> {
    let script = Script::new(part);
    let mut state = State::new(&script, Memory { parameters: parameters.clone(), ..Memory::default() });
    let mut lexer = Lexer::new(part);
    while let Some(token) = lexer.next() {
        let found = match state.read(token, lexer.rest()) {
            Reading::Read => None,
            Reading::Found(found) => Some(found),
            Reading::Comment(comment) => in_comment(&text.part(comment), nesting, &state.memory.parameters),
            Reading::Literal(literal) => in_literal(&text.part(literal), nesting),
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

/// What searching a part of a text once more costs. Parts that overlap, such as bodies that are never closed, add up.
const fn looks(part: &str) -> u64 {
    part.len() as u64 / 12
}

/// Searches the text of a comment.
fn in_comment<'t>(text: &Text<'t>, nesting: u8, parameters: &Parameters) -> Option<Match<'t>> {
    let left = nesting.checked_sub(1)?;
    if !text.has(READ) && parameters.is_empty() {
        return None;
    }
    text.budget.spend(looks(text.all))?;
    search(text, false, left, parameters)
}

/// Searches the inside of a string: a connection string, JSON, or a statement to be executed.
fn in_literal<'t>(text: &Text<'t>, nesting: u8) -> Option<Match<'t>> {
    let left = nesting.checked_sub(1)?;
    if !text.has(READ) {
        return None;
    }
    text.budget.spend(looks(text.all))?;
    if let Some(found) = pairs::find(text) {
        return Some(found);
    }
    let all = text.all;
    if !all.contains(['\'', '"']) && !all.contains("IDENTIFIED BY ") && !all.contains("identified by ") {
        return None;
    }
    if !ESCAPES.iter().any(|(escape, _)| all.contains(escape)) {
        let found = in_statements(text, all, left, &Parameters::default());
        return found.or_else(|| Some(Match::new(rule_in(&fragment(all)?, text, left)?, all)));
    }
    let plain = ESCAPES.iter().fold(all.to_owned(), |plain, (escape, sign)| plain.replace(escape, sign));
    let rule = rule_in(&plain, text, left).or_else(|| rule_in(&fragment(&plain)?, text, left))?;
    Some(Match::new(rule, all))
}

/// The rule that finds a secret in the statements of `plain`, what `text` is without its escapes.
fn rule_in(plain: &str, text: &Text<'_>, nesting: u8) -> Option<RuleId> {
    let hits = Hits::find(plain, text.budget);
    let plain = Text::new(plain, &hits, text.budget);
    in_statements(&plain, plain.all, nesting, &Parameters::default()).map(|found| found.rule)
}

/// A piece of a statement that is put together, which may begin inside a literal: `'@'%' IDENTIFIED BY '…'`.
fn fragment(text: &str) -> Option<String> {
    let at = text.to_ascii_lowercase().find("identified by '")?;
    Some(format!("ALTER USER x {}", &text[at..]))
}
