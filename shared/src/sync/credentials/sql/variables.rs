//! Keys that reach a function by way of a variable: `SET @k = '…'; SELECT AES_DECRYPT(c, @k)`.

use super::{
    super::{Kind, value},
    frames::Expected,
    literal,
    statement::{Statement, is_any},
    token::{Op, Token},
};

/// How many variables are remembered.
const VARIABLES: usize = 32;

impl<'a> Statement<'a> {
    /// Remembers the variable that the literal `text` is assigned to.
    pub(super) fn note_variable(&mut self, text: &str) {
        if self.variables.len() >= VARIABLES || !literal::is_set(text) || value::is_status_word(text) {
            return;
        }
        let declared = self.begins(&["declare"]) && is_any(self.word_before(0), &["default"]);
        let name = match (self.last[0], self.last[1]) {
            (Token::Op(Op::Assign), Token::Word(name)) if name.starts_with('@') => name,
            // `DECLARE @k varchar(20) = '…'`, `DECLARE k STRING DEFAULT '…'`
            (Token::Op(Op::Assign), _) if self.begins(&["declare"]) => self.words[1],
            _ if declared => self.words[1],
            _ => return,
        };
        self.variables.push(name);
    }

    /// What the variable `word` is given to, if it holds a literal and that is a secret there.
    pub(super) fn given_variable(&self, word: &str) -> Option<Kind> {
        if !self.variables.iter().any(|name| name.eq_ignore_ascii_case(word)) {
            return None;
        }
        match self.expected(Some("variable"))? {
            Expected::Given(kind) => Some(kind),
            Expected::Named(_) => None,
        }
    }
}
