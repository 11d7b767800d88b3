//! What a literal is given to, by its place: an operator, a row, or the arguments of a call.

use super::{
    calls::{self, Argument},
    frames::{Expected, Frame},
    state::{Insert, State},
    token::{Op, Token, is_any},
};
use crate::{
    names::Name,
    rules::{SecretKind, rule},
    value,
};

/// The operator of MongoDB that renames fields.
pub(super) const RENAME: &str = "$rename";
/// Engines of ClickHouse's databases, which take the password fourth.
const ENGINES: &[&str] = &["mysql", "postgresql", "materializedmysql", "materializedpostgresql"];

/// Whether the value of a setting says something of the secret, labels its field, or is a sentence.
pub(super) fn is_said(text: &str) -> bool {
    let sentence = text.contains(' ') && text.starts_with(char::is_uppercase) && !text.split(' ').any(value::is_opaque);
    value::is_status_word(text) || value::is_label(text) || sentence
}

/// Whether a text next to the name of a secret is its value and not a translation, a type or an event.
fn is_setting(name: Name, text: &str) -> bool {
    let looks = if name.secret == SecretKind::Password { value::is_opaque(text) } else { value::is_long_opaque(text) };
    looks && !text.contains(['(', '@']) && !name.plural
}

impl<'t> State<'_, 't> {
    /// What a literal (or a bracket or parameter, if None) at this place is expected to be.
    pub(super) fn expected(&self, text: Option<&str>) -> Option<Expected> {
        let frame = self.frames.top();
        if frame.call == RENAME {
            return None;
        }
        let starts = matches!(self.last[0], Token::Open(_) | Token::Comma);
        let call = text.is_none() && matches!(self.last[0], Token::Word(_));
        // `package.function(…)`, `Class::function(…)`
        let before_call = self.last[if matches!(self.last[1], Token::Dot | Token::Op(Op::Cast)) { 3 } else { 1 }];
        let starts = starts || call && matches!(before_call, Token::Open(_) | Token::Comma);
        let operator = |token: Token<'_>| matches!(token, Token::Op(Op::Assign | Op::Compare | Op::Colon | Op::Arrow));
        let assigned = operator(self.last[0]) || call && operator(before_call);
        let branch = is_any(self.word_before(0), &["then", "else", "to", "like", "ilike", "is"]);
        if let Some(name) = frame.target.filter(|_| assigned || branch) {
            return Some(Expected::Named(name));
        }
        let selects = self.rows.insert == Insert::Select && frame.bracket == 0;
        if selects && (starts || is_any(self.word_before(0), &["select", "distinct"])) {
            return self.rows.filled.secret(frame.index).map(Expected::Named);
        }
        if !starts {
            return None;
        }
        if frame.binds {
            return self.memory.parameters.numbered(frame.index as usize).map(Expected::Named);
        }
        if frame.is_row { self.in_row(frame, text) } else { self.in_call(frame) }
    }

    fn in_call(&self, frame: &Frame<'t>) -> Option<Expected> {
        if self.is_engine_password(frame) {
            return Some(Expected::Given(rule::CLICKHOUSE_ENGINE));
        }
        match calls::argument(frame.call, frame.index, frame.is_method) {
            Argument::Secret(rule) => Some(Expected::Given(rule)),
            Argument::Part => frame.whole,
            Argument::Pair(first) => frame
                .named
                .filter(|(at, _)| at + 1 == frame.index)
                .filter(|(at, _)| calls::is_format(frame.call) || at % 2 == first)
                .map(|(_, name)| Expected::Named(name)),
            Argument::Plain if frame.call.is_empty() && frame.bracket != b'{' => frame.whole,
            Argument::Plain => None,
        }
    }

    /// ClickHouse: `CREATE DATABASE … ENGINE = MySQL('host', 'database', 'user', 'password')`, which has no table; and
    /// `remote('host', database.table, 'user', 'password')`.
    fn is_engine_password(&self, frame: &Frame<'t>) -> bool {
        frame.index == 3
            && (self.begins_with("create", "database") && is_any(frame.call, ENGINES)
                || frame.dotted && is_any(frame.call, &["remote", "remotesecure"]))
    }

    fn in_row(&self, frame: &Frame<'t>, text: Option<&str>) -> Option<Expected> {
        if let Some(name) = self.rows.filled.secret(frame.index) {
            return Some(Expected::Named(name));
        }
        // `INSERT INTO settings (name, value) VALUES ('smtp_password', '…')`
        let (at, name) = frame.named?;
        let text = text.filter(|text| !is_said(text))?;
        // Without a list of columns the value is next to the name, and has to look like one. `password` alone is the name of
        // a field more often than of a setting.
        let key = |token| matches!(token, Token::Quoted(key, _) if key.contains(['_', '.', '-']));
        let beside = self.rows.filled.is_empty() && at + 1 == frame.index && (at == 0 || key(self.last[1]));
        let beside = beside && is_setting(name, text);
        (self.rows.filled.is_value(frame.index) || beside).then_some(Expected::Named(name))
    }
}
