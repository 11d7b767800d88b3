//! Passwords that a statement gives without quotes: Oracle's `IDENTIFIED BY tiger`, Teradata's `PASSWORD = tiger`.

use super::{
    state::{Clause, State},
    token::{Op, Token, is_any},
};
use crate::{
    names,
    rules::{STATEMENTS, SecretKind},
    value,
};

/// First words of statements in which `IDENTIFIED BY` is followed by a password.
const IDENTIFY: &[&str] = &["create", "alter", "grant", "set", "administer", "modify", "execute"];
/// First words of statements that define an account, and what they define.
const DEFINE: &[&str] = &["create", "alter", "modify"];
const ACCOUNTS: &[&str] = &["user", "login", "role", "database", "account"];
/// Words that stand where the password would and say that there is none.
#[rustfmt::skip]
const OTHER: &[&str] = &[
    "random", "password", "values", "null", "external", "expire", "disable", "default", "none",
    "true", "false", "concat", "quote", "quotename", "convert", "cast",
];

impl State<'_, '_> {
    /// Whether `word` is a password, going by what stands before it.
    pub(super) fn is_bare_password(&self, word: &str) -> bool {
        let beside = self.word_before(0).eq_ignore_ascii_case("password")
            && self.begins(DEFINE)
            && is_any(self.head[1], ACCOUNTS)
            && value::is_opaque(word);
        let pragma = self.begins(&["pragma"])
            && self.last[0] == Token::Op(Op::Assign)
            && matches!(self.last[1], Token::Word(name) if takes_secret("pragma", name));
        (self.follows_by() || self.follows_equals() || beside || pragma) && is_bare(word)
    }

    /// The same for a number, such as `IDENTIFIED BY 4711` or `PASSWORD = 2fast4u`.
    pub(super) fn is_bare_number(&self, text: &str) -> bool {
        text.len() >= 4 && (self.follows_by() || self.follows_equals())
    }

    fn follows_by(&self) -> bool {
        self.clause == Clause::Identified && self.word_before(0).eq_ignore_ascii_case("by") && self.begins(IDENTIFY)
    }

    /// A hash is given as a number: `PASSWORD = 0x… HASHED`.
    fn follows_equals(&self) -> bool {
        let named =
            |name| names::classify(name).is_some_and(|name| name.secret == SecretKind::Password && !name.hashed);
        self.last[0] == Token::Op(Op::Assign)
            && self.begins(DEFINE)
            && is_any(self.head[1], ACCOUNTS)
            && self.frames.is_base()
            && named(self.word_before(1))
    }
}

/// Whether `setting` of a statement that begins with `first` takes a secret.
fn takes_secret(first: &str, setting: &str) -> bool {
    STATEMENTS.iter().any(|rule| rule.begins.contains(&(first, "")) && is_any(setting, rule.assigns))
}

/// Whether a word is no name of a variable or column, and no keyword.
fn is_bare(word: &str) -> bool {
    !is_any(word, OTHER)
        && !word.starts_with(['$', '@'])
        && (names::classify(word).is_none() || value::is_opaque(word) && !word.contains('_'))
        && !value::is_placeholder(word)
}
