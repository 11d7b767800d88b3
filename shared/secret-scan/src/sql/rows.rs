//! Rows of values and the columns that they fill, which may be named before the rows (`INSERT INTO t (…) VALUES`,
//! `WITH t(…) AS (VALUES …)`) or behind them (`(VALUES …) AS t(…)`).

use super::{
    super::Kind,
    frames::Columns,
    literal,
    statement::{Statement, is_any},
    token::Token,
};

/// How many literals of a row are kept until its columns are named.
const UNNAMED: usize = 64;

impl<'a> Statement<'a> {
    /// `INSERT INTO t (…) VALUES` and `INSERT INTO t (…) SELECT`.
    pub(super) fn note_insert(&mut self, word: &str) {
        if word.eq_ignore_ascii_case("into") || word.eq_ignore_ascii_case("insert") {
            self.inserts = true;
        } else if self.inserts && is_any(word, &["values", "value"]) {
            self.rows = true;
            self.filled = std::mem::take(&mut self.listed);
        } else if self.inserts && !self.rows && word.eq_ignore_ascii_case("select") {
            self.selects = true;
            self.filled = std::mem::take(&mut self.listed);
            self.frames.top_mut().index = 0;
        }
    }

    /// `VALUES` inside brackets.
    pub(super) fn note_values(&mut self) {
        if self.last[0] == Token::Open(b'(') {
            self.filled = std::mem::take(&mut self.listed);
            self.frames.top_mut().values = true;
        }
    }

    /// Keeps a literal of a row whose columns are not known yet.
    pub(super) fn note_unnamed(&mut self, text: &'a str) {
        let row = self.frames.top();
        if row.is_row && !self.rows && self.unnamed.len() < UNNAMED {
            self.unnamed.push((row.index, text));
        }
    }

    /// `(VALUES …) AS t(`, `(VALUES …) t(`
    pub(super) fn renames_rows(&self) -> bool {
        let alias = matches!(self.last[0], Token::Word(_));
        !self.unnamed.is_empty()
            && alias
            && (self.last[1] == Token::Close || self.word_before(1).eq_ignore_ascii_case("as"))
    }

    /// The secret among the literals of a row, now that `columns` names them.
    pub(super) fn named_afterwards(&mut self, columns: &Columns) -> Option<Kind> {
        std::mem::take(&mut self.unnamed).into_iter().find_map(|(at, text)| {
            let name = columns.secret(at)?;
            literal::is_secret(name, text).then_some(Kind::Literal(name.secret))
        })
    }
}
