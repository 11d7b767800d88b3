//! What is known at a position in the statements of a text.
//!
//! There is no grammar. The state is the statement's first words, the last few tokens, the open brackets, and the phases
//! of the clauses that matter: the rows of an `INSERT`, `IDENTIFIED BY`, a statement that is put together from literals.

use std::cell::OnceCell;

use super::{
    frames::{Columns, Frames},
    operand::Operand,
    token::{Quote, Token, is_any},
};
use crate::names::{self, Name};

/// The text that statements are in.
pub(super) struct Script<'t> {
    text: &'t str,
    accounts: OnceCell<bool>,
}

impl<'t> Script<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self { text, accounts: OnceCell::new() }
    }

    /// Whether the text is about people who log in.
    pub(super) fn speaks_of_accounts(&self) -> bool {
        const WORDS: &[&str] = &["user", "usr", "login", "account", "member", "customer", "admin", "mail", "auth"];
        *self.accounts.get_or_init(|| {
            let lower = self.text.to_ascii_lowercase();
            WORDS.iter().any(|word| lower.contains(word))
        })
    }
}

/// Clause that has been entered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Clause {
    /// None of the others.
    Plain,
    /// `SET` has been read.
    Set,
    /// `IDENTIFIED` has been read: what follows is the password of an account.
    Identified,
}

/// How far an `INSERT` has been read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Insert {
    /// The statement is none.
    No,
    /// `INSERT INTO t (…)`
    Into,
    /// `INSERT INTO t (…) VALUES`
    Values,
    /// `INSERT INTO t (…) SELECT`
    Select,
}

/// Rows of values, and the columns that they fill.
pub(super) struct Rows<'t> {
    pub(super) insert: Insert,
    /// The columns of the bracket closed last.
    pub(super) listed: Columns,
    /// The columns that the rows or the SELECT of an INSERT fill.
    pub(super) filled: Columns,
    /// The literals of a row of `VALUES` whose columns are named behind it, by position.
    pub(super) unnamed: Vec<(u32, &'t str)>,
}

/// `SET value = '…'` and `WHERE name = 'password'` of one `UPDATE`.
#[derive(Default)]
pub(super) struct Setting<'t> {
    pub(super) value: Option<&'t str>,
    pub(super) named: bool,
}

/// What outlives a statement.
#[derive(Default)]
pub(super) struct Memory<'t> {
    /// The variable that is being assigned.
    pub(super) assigned: Option<&'t str>,
    /// Variables that have been given a literal, and the literal.
    pub(super) variables: Vec<(&'t str, &'t str)>,
    pub(super) parameters: Parameters,
}

/// Parameters of statements that are given to a secret.
#[derive(Clone, Default)]
pub(crate) struct Parameters {
    /// How many `?` have been read.
    pub(super) read: usize,
    /// `?` and `$1` by number, starting at 0, in ascending order.
    pub(crate) numbered: Vec<(usize, Name)>,
    /// `:name` and `@name` by name, without the sign.
    pub(crate) named: Vec<(String, Name)>,
}

impl Parameters {
    /// What the parameter with this number, starting at 0, is given to.
    pub(crate) fn numbered(&self, number: usize) -> Option<Name> {
        // There may be as many as a list has names.
        let first = self.numbered.partition_point(|(known, _)| *known < number);
        self.numbered.get(first).filter(|(known, _)| *known == number).map(|(_, name)| *name)
    }

    /// What the parameter with this name is given to.
    pub(crate) fn named(&self, name: &str) -> Option<Name> {
        self.named.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, name)| *name)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.numbered.is_empty() && self.named.is_empty()
    }
}

/// The state of the statement being read.
pub(super) struct State<'s, 't> {
    pub(super) script: &'s Script<'t>,
    /// The first two words.
    pub(super) head: [&'t str; 2],
    /// The last tokens, the newest first.
    pub(super) last: [Token<'t>; 4],
    /// What an operator would compare or assign to.
    pub(super) operand: Operand<'t>,
    pub(super) frames: Frames<'t>,
    pub(super) clause: Clause,
    pub(super) rows: Rows<'t>,
    pub(super) setting: Setting<'t>,
    /// The names judged last, since one name may stand before many operators.
    judged: [Option<(&'t str, Option<Name>)>; 2],
    /// A literal has been read after which the password is to come; see [`super::joined`].
    pub(super) joins_password: bool,
    pub(super) memory: Memory<'t>,
}

impl<'s, 't> State<'s, 't> {
    pub(super) fn new(script: &'s Script<'t>, memory: Memory<'t>) -> Self {
        let rows =
            Rows { insert: Insert::No, listed: Columns::default(), filled: Columns::default(), unnamed: Vec::new() };
        Self {
            script,
            head: [""; 2],
            last: [Token::End; 4],
            operand: Operand::None,
            frames: Frames::new(),
            clause: Clause::Plain,
            rows,
            setting: Setting::default(),
            judged: [None; 2],
            joins_password: false,
            memory: Memory { assigned: None, ..memory },
        }
    }

    /// Returns the meaning of `name`, a slice of the text.
    pub(super) fn judge(&mut self, name: &'t str) -> Option<Name> {
        let known = |judged: &(&str, Option<Name>)| judged.0.as_ptr() == name.as_ptr() && judged.0.len() == name.len();
        if let Some((_, verdict)) = self.judged.into_iter().flatten().find(known) {
            return verdict;
        }
        let verdict = names::classify(name);
        self.judged = [Some((name, verdict)), self.judged[0]];
        verdict
    }

    /// Whether the statement begins with one of the words.
    pub(super) fn begins(&self, words: &[&str]) -> bool {
        is_any(self.head[0], words)
    }

    /// Whether the statement begins with the two words; an empty one is any word.
    pub(super) fn begins_with(&self, first: &str, second: &str) -> bool {
        self.head[0].eq_ignore_ascii_case(first) && (second.is_empty() || self.head[1].eq_ignore_ascii_case(second))
    }

    /// The word read `back` tokens ago, or empty.
    pub(super) fn word_before(&self, back: usize) -> &'t str {
        match self.last[back] {
            Token::Word(word) => word,
            _ => "",
        }
    }

    /// The name of a column read `back` tokens ago, also in the quotes of a name.
    pub(super) fn column_before(&self, back: usize) -> Option<&'t str> {
        match self.last[back] {
            Token::Word(name) | Token::Quoted(name, Quote::Double | Quote::Back) => Some(name),
            _ => None,
        }
    }
}
