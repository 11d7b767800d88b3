//! Keys that reach a function by way of a variable: `SET @k = '…'; SELECT AES_DECRYPT(c, @k)`.

use super::{
    super::{Kind, value},
    frames::Expected,
    literal,
    statement::Statement,
    token::Token,
};

/// How many variables are remembered.
const VARIABLES: usize = 32;

impl<'a> Statement<'a> {
    /// Notes which variable an assignment, or a `DEFAULT`, gives a value to: `@k := …`, `l_key RAW(32) := …`,
    /// `DECLARE k STRING DEFAULT …`, `const k = …`.
    pub(super) fn note_assignment(&mut self) {
        self.assigned = match self.last[0] {
            _ if self.begins(&["declare", "const", "let", "var"]) => Some(self.words[1]),
            Token::Word(name) if name.starts_with('@') => Some(name),
            _ if self.frames.is_base() => Some(self.words[0]),
            _ => None,
        };
    }

    /// Remembers that the variable being assigned holds the literal `text`, or what a function makes of it.
    pub(super) fn note_variable(&mut self, text: &str) {
        if let Some(name) = self.assigned
            && self.variables.len() < VARIABLES
            && literal::is_set(text)
            && !value::is_status_word(text)
        {
            self.variables.push(name);
        }
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
