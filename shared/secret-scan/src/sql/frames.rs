//! The open brackets of a statement and what is expected inside them.

use crate::{
    names::{self, Name},
    rules::{RuleId, words},
};

/// Brackets nested deeper than this are counted but not looked into, which bounds the memory.
const DEPTH: usize = 200;

/// Columns named as secrets, by position, and the position of a column that holds the value of
/// a setting.
#[derive(Clone, Debug, Default)]
pub(super) struct Columns {
    secrets: Vec<(u32, Name)>,
    value: Option<u32>,
    any: bool,
}

/// Whether a column holds the name of a setting.
pub(super) fn is_name_column(name: &str) -> bool {
    words::NAME_COLUMNS.contains_any_case(name)
}

/// Whether a column holds the value of a named setting.
pub(super) fn is_value_column(name: &str) -> bool {
    words::VALUE_COLUMNS.contains_any_case(name)
}

impl Columns {
    /// Notes the column at `index` if it matters.
    pub(super) fn add(&mut self, index: u32, name: &str) {
        self.any = true;
        if let Some(verdict) = names::classify(name) {
            self.secrets.push((index, verdict));
        } else if is_value_column(name) {
            self.value = Some(index);
        }
    }

    /// The secret in the column at `index`.
    pub(super) fn secret(&self, index: u32) -> Option<Name> {
        // They were added in the order of their positions, and there may be many of them.
        let first = self.secrets.partition_point(|(at, _)| *at < index);
        self.secrets.get(first).filter(|(at, _)| *at == index).map(|(_, name)| *name)
    }

    /// Whether no column is listed at all.
    pub(super) fn is_empty(&self) -> bool {
        !self.any
    }

    /// Whether the column at `index` holds the value of a setting.
    pub(super) fn is_value(&self, index: u32) -> bool {
        self.value == Some(index)
    }
}

/// What a literal in some place would be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expected {
    /// The value of something named as a secret.
    Named(Name),
    /// A secret by the function it is given to.
    Given(RuleId),
}

/// One open bracket, or the statement itself.
#[derive(Debug, Default)]
pub(super) struct Frame<'a> {
    /// `(`, `[`, `{`, or 0 for the statement.
    pub bracket: u8,
    /// The function called, or empty.
    pub call: &'a str,
    /// A dot stands before the function.
    pub is_method: bool,
    /// How many commas have been read.
    pub index: u32,
    /// The second argument is a qualified name, which stands for two arguments.
    pub dotted: bool,
    /// What the bracket as a whole is the value of.
    pub whole: Option<Expected>,
    /// What the current expression is compared with or assigned to.
    pub target: Option<Name>,
    /// What the branches of the current `CASE` are assigned to.
    pub branches: Option<Name>,
    /// The columns this bracket lists.
    pub columns: Columns,
    /// The bracket is a row of values for the columns of the statement.
    pub is_row: bool,
    /// `VALUES` has been read in it: what it holds are rows.
    pub values: bool,
    /// It lists the values of the parameters of the statement: `params: [1, 'x']`.
    pub binds: bool,
    /// It lists the columns of the rows before it: `(VALUES …) AS t(name, password)`.
    pub renames: bool,
    /// The literal read last names a secret, and its index.
    pub named: Option<(u32, Name)>,
    /// The column being defined.
    pub defines: &'a str,
}

/// The brackets open at a position.
#[derive(Debug)]
pub(super) struct Frames<'a> {
    stack: Vec<Frame<'a>>,
    deeper: usize,
    base: Frame<'a>,
}

impl<'a> Frames<'a> {
    /// No bracket is open.
    pub(super) fn new() -> Self {
        Self { stack: Vec::new(), deeper: 0, base: Frame::default() }
    }

    /// The innermost frame.
    pub(super) fn top(&self) -> &Frame<'a> {
        self.stack.last().unwrap_or(&self.base)
    }

    /// The innermost frame, to change it.
    pub(super) fn top_mut(&mut self) -> &mut Frame<'a> {
        self.stack.last_mut().unwrap_or(&mut self.base)
    }

    /// Whether no bracket is open.
    pub(super) fn is_base(&self) -> bool {
        self.stack.is_empty() && self.deeper == 0
    }

    /// Opens a bracket.
    pub(super) fn push(&mut self, frame: Frame<'a>) {
        if self.stack.len() < DEPTH {
            self.stack.push(frame);
        } else {
            self.deeper += 1;
        }
    }

    /// Closes a bracket and gives its frame.
    pub(super) fn pop(&mut self) -> Option<Frame<'a>> {
        if self.deeper > 0 {
            self.deeper -= 1;
            return None;
        }
        self.stack.pop()
    }
}
