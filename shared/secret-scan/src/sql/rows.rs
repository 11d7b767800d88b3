//! Rows of values and the columns that they fill, which may be named before the rows (`INSERT INTO t (…) VALUES`,
//! `WITH t(…) AS (VALUES …)`) or behind them (`(VALUES …) AS t(…)`).

use std::mem::take;

use super::{
    state::{Insert, State},
    token::{Token, is_any},
};
use crate::{literal, text::Match};

/// How many literals of a row are kept until its columns are named.
const UNNAMED: usize = 64;

impl<'t> State<'_, 't> {
    /// `INSERT INTO t (…) VALUES` and `INSERT INTO t (…) SELECT`.
    pub(super) fn note_insert(&mut self, word: &str) {
        let insert = self.rows.insert;
        if insert == Insert::No {
            if is_any(word, &["into", "insert"]) {
                self.rows.insert = Insert::Into;
            }
        } else if is_any(word, &["values", "value"]) && !is_any(self.word_before(0), &["system", "user"]) {
            self.rows.insert = Insert::Values;
            self.rows.filled = take(&mut self.rows.listed);
        } else if insert != Insert::Values && word.eq_ignore_ascii_case("select") {
            self.rows.insert = Insert::Select;
            self.rows.filled = take(&mut self.rows.listed);
            self.frames.top_mut().index = 0;
        } else if insert == Insert::Select && is_any(word, &["from", "union", "where"]) {
            self.rows.insert = Insert::Into;
        }
    }

    /// `VALUES` inside brackets.
    pub(super) fn note_values(&mut self) {
        if self.last[0] == Token::Open(b'(') {
            self.rows.filled = take(&mut self.rows.listed);
            self.frames.top_mut().values = true;
        }
    }

    /// Whether the bracket being opened holds a row of values. `called` says that it holds the arguments of a call.
    pub(super) fn opens_row(&mut self, call: &str) -> bool {
        let tuple =
            matches!(self.last[0], Token::Op(_)) && is_comparison(self.last[0]) || call.eq_ignore_ascii_case("in");
        let tuple = tuple && self.last[1] == Token::Close;
        let called = !call.is_empty() && !is_any(call, &["values", "value", "row", "in"]);
        let parent = self.frames.top();
        let is_row = self.rows.insert == Insert::Values && parent.bracket == 0 && !called
            || tuple
            || parent.values
            || parent.is_row && parent.bracket == b'(' && call.is_empty();
        if tuple {
            self.rows.filled = take(&mut self.rows.listed);
        }
        is_row
    }

    /// Keeps a literal of a row whose columns are not known yet.
    pub(super) fn note_unnamed(&mut self, text: &'t str) {
        let row = self.frames.top();
        if row.is_row && self.rows.insert != Insert::Values && self.rows.unnamed.len() < UNNAMED {
            self.rows.unnamed.push((row.index, text));
        }
    }

    /// `(VALUES …) AS t(`, `(VALUES …) t(`
    pub(super) fn renames_rows(&self) -> bool {
        let alias = matches!(self.last[0], Token::Word(_));
        !self.rows.unnamed.is_empty()
            && alias
            && (self.last[1] == Token::Close || self.word_before(1).eq_ignore_ascii_case("as"))
    }

    /// The secret among the literals of a row, now that the columns of the bracket closed last name them.
    pub(super) fn named_afterwards(&mut self) -> Option<Match<'t>> {
        let columns = take(&mut self.rows.listed);
        take(&mut self.rows.unnamed).into_iter().find_map(|(at, text)| {
            let name = columns.secret(at)?;
            literal::is_secret(name, text).then(|| Match::new(literal::rule_of(name), text))
        })
    }
}

fn is_comparison(token: Token<'_>) -> bool {
    use super::token::Op::{Assign, Compare};
    matches!(token, Token::Op(Assign | Compare))
}
