//! Secrets that reach their place by way of a variable or a parameter: `SET @k = '…'; SELECT AES_DECRYPT(c, @k)`.

use super::{
    frames::Expected,
    state::State,
    token::{Op, Token, is_any},
};
use crate::{literal, names::Name, rules::SecretKind, text::Match, value};

/// How many variables, and how many parameters, are remembered.
const REMEMBERED: usize = 32;
/// Names of lists with the values of parameters.
const BINDS: &[&str] = &["params", "parameters", "binds", "bindings", "args", "arguments", "values"];

impl<'t> State<'_, 't> {
    /// Notes which variable an assignment, or a `DEFAULT`, gives a value to: `@k := …`, `l_key RAW(32) := …`,
    /// `DECLARE k STRING DEFAULT …`, `const k = …`.
    pub(super) fn note_assignment(&mut self) {
        self.memory.assigned = match self.last[0] {
            _ if self.begins(&["declare", "const", "let", "var"]) => Some(self.head[1]),
            Token::Word(name) if name.starts_with('@') => Some(name),
            _ if self.frames.is_base() => Some(self.head[0]),
            _ => None,
        };
    }

    /// Remembers that the variable being assigned holds the literal `text`, or what a function makes of it.
    pub(super) fn note_variable(&mut self, text: &'t str) {
        if let Some(name) = self.memory.assigned
            && self.memory.variables.len() < REMEMBERED
            && !value::is_placeholder(text)
            && !value::is_status_word(text)
        {
            self.memory.variables.push((name, text));
        }
    }

    /// The literal that the variable `word` holds, if it is a secret where the variable is given.
    pub(super) fn given_variable(&self, word: &str) -> Option<Match<'t>> {
        let (_, literal) = self.memory.variables.iter().find(|(name, _)| name.eq_ignore_ascii_case(word))?;
        // It was no placeholder when it was noted.
        if let Some(rule) = self.sets(literal) {
            return Some(Match::new(rule, literal));
        }
        match self.expected(Some(literal))? {
            Expected::Given(rule) => Some(Match::new(rule, literal)),
            Expected::Named(name) => {
                literal::is_secret(name, literal).then(|| Match::new(literal::rule_of(name), literal))
            }
        }
    }

    /// Remembers what the parameter `sign` is given to, and returns its number, starting at 0: that of `?` by order, that of
    /// `$1` from its name. `:name` and `@name` have none.
    pub(super) fn note_parameter(&mut self, sign: &str) -> Option<usize> {
        let secret = self.parameter();
        let parameters = &mut self.memory.parameters;
        let name = sign.trim_start_matches([':', '@', '$', '?']);
        let number = match name {
            "" => Some(parameters.read),
            name => name.parse::<usize>().ok().and_then(|number| number.checked_sub(1)),
        };
        parameters.read += usize::from(sign == "?");
        if let Some(secret) = secret
            && parameters.numbered.len() + parameters.named.len() < REMEMBERED
        {
            match number {
                Some(number) => {
                    let place = parameters.numbered.partition_point(|(known, _)| *known < number);
                    parameters.numbered.insert(place, (number, secret));
                }
                None => parameters.named.push((name.to_owned(), secret)),
            }
        }
        number
    }

    /// The secret that a parameter at this place would be.
    fn parameter(&self) -> Option<Name> {
        match self.expected(None) {
            Some(Expected::Named(name)) => Some(name),
            Some(Expected::Given(_)) => Some(Name::of(SecretKind::Password)),
            // `IDENTIFIED BY ?`, `SET PASSWORD = ?`
            None => self.sets_parameter().then_some(Name::of(SecretKind::Password)),
        }
    }

    /// Whether the bracket being opened lists the values of parameters: `params: ['a', 'b']`.
    pub(super) fn opens_binds(&self) -> bool {
        let (word, sign) = match (self.last[0], self.last[1]) {
            (Token::Op(Op::Colon | Op::Assign), Token::Word(word) | Token::Quoted(word, _)) => (word, true),
            (Token::Word(word), _) => (word, false),
            _ => return false,
        };
        !self.memory.parameters.numbered.is_empty() && is_any(word, if sign { BINDS } else { &BINDS[..4] })
    }
}
