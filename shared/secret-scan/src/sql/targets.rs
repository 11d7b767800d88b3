//! What the right side of an operator is given to; and literals that stand left of what they are given to.

use super::{
    frames::{self, Expected},
    operand::Operand,
    state::State,
    token::{Op, Quote, Token, is_any},
};
use crate::{
    literal,
    names::{self, Name},
    rules::{SecretKind, words},
    text::Match,
    value,
};

/// What stands before a bracket in which names of options are written as strings.
#[rustfmt::skip]
const OPTION_LISTS: &[&str] = &[
    "with", "options", "properties", "tblproperties", "dbproperties", "serdeproperties", "headers", "settings",
    "parameters", "configuration",
];
/// Functions that take the key by its name.
const CIPHERS: &[&str] = &["encrypt", "decrypt", "mac"];

impl<'t> State<'_, 't> {
    /// Notes what the right side of an operator is compared with or assigned to.
    pub(super) fn note_operator(&mut self, op: Op) {
        let target = match (op, self.operand) {
            (Op::Path | Op::Cast, _) => return,
            // The first of several operators in a row decides.
            _ if matches!(self.last[0], Token::Op(Op::Assign | Op::Compare | Op::Colon | Op::Arrow)) => return,
            (_, Operand::Judged(name)) => Some(name),
            (_, Operand::Name(text)) => self.named_target(text, op),
            (Op::Assign, Operand::Parameter(number)) => self.memory.parameters.numbered(number),
            (Op::Colon | Op::Arrow, Operand::Text(text)) => self.judge(text).or_else(|| self.named_setting(text)),
            // Spark, Flink: `WITH ('user' = 'ada', 'password' = '…')`
            (Op::Assign, Operand::Text(text)) if is_any(self.frames.top().call, OPTION_LISTS) => self.judge(text),
            _ => self.declared_target(op),
        };
        self.frames.top_mut().target = target;
    }

    fn named_target(&mut self, text: &'t str, op: Op) -> Option<Name> {
        // `{password: {$in: [...]}}`: the operator of MongoDB passes the field on.
        if op == Op::Colon && text.starts_with('$') {
            let whole = self.frames.top().whole.filter(|_| is_any(text, &["$eq", "$ne", "$in", "$nin"]));
            return whole.and_then(|whole| if let Expected::Named(name) = whole { Some(name) } else { None });
        }
        // `DBMS_CRYPTO.ENCRYPT(src => …, key => …)`
        if op == Op::Arrow && text.eq_ignore_ascii_case("key") && is_any(self.frames.top().call, CIPHERS) {
            return Some(Name::of(SecretKind::Passphrase));
        }
        let described = self.named_setting(text).filter(|_| op == Op::Colon);
        self.judge(text).or(described).or_else(|| self.declared_target(op))
    }

    /// `{key: "smtp_password", value: "…"}`: the field before has named the secret.
    fn named_setting(&self, field: &str) -> Option<Name> {
        let frame = self.frames.top();
        let (_, name) = frame.named.filter(|_| frame.bracket == b'{' && frames::is_value_column(field))?;
        Some(name)
    }

    /// `DECLARE @pw varchar(20) = '…'` and `v_password text := '…'`: the name stands before the
    /// type.
    fn declared_target(&mut self, op: Op) -> Option<Name> {
        let declares = self.begins(&["declare"]);
        if op != Op::Assign
            || !declares && !self.word_before(0).eq_ignore_ascii_case("text") && !matches!(self.last[0], Token::Close)
        {
            return None;
        }
        self.judge(self.head[usize::from(declares)])
    }

    /// `password IN (…)`
    pub(super) fn operand_before_in(&self, call: &str) -> Option<Name> {
        if !call.eq_ignore_ascii_case("in") {
            return None;
        }
        let negated = self.word_before(1).eq_ignore_ascii_case("not");
        names::classify(self.column_before(if negated { 2 } else { 1 })?)
    }

    /// `SELECT 'secret' AS password`: only if the literal looks like one, since masks are
    /// written like this too.
    pub(super) fn aliased(&self, word: &str) -> Option<Match<'t>> {
        let (Token::Quoted(text, Quote::Single), true) = (self.last[1], self.word_before(0).eq_ignore_ascii_case("as"))
        else {
            return None;
        };
        let name = names::classify(word)?;
        let secret = value::is_opaque(text) && literal::is_secret(name, text);
        secret.then(|| Match::new(literal::rule_of(name), text))
    }

    /// `WHERE 'secret' = password`
    pub(super) fn compared(&self, word: &str) -> Option<Match<'t>> {
        let (Token::Op(Op::Assign), Token::Quoted(text, Quote::Single)) = (self.last[0], self.last[1]) else {
            return None;
        };
        let name = names::classify(word).filter(|_| words::READS.contains_any_case(self.head[0]))?;
        literal::is_secret(name, text).then(|| Match::new(literal::rule_of(name), text))
    }
}
