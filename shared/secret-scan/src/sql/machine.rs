//! Follows the tokens of statements and asks of each literal what it is given to.
//!
//! When a literal comes, what stands before it decides. A parameter, `NULL` or a column in its place never is a literal, so
//! naming a secret column alone finds nothing.

use std::mem::take;

use super::{
    calls,
    expected::{RENAME, is_said},
    frames::{self, Expected, Frame},
    joined, logins,
    operand::Operand,
    state::{Clause, State},
    token::{Op, Quote, Token, is_any},
};
use crate::{
    literal, names,
    rules::{SecretKind, lower, rule, words},
    text::Match,
    value,
};

/// Arguments of Python's libraries that hold an account and its password.
const LOGINS: &[&str] = &["auth", "basic_auth", "http_auth", "proxy_auth"];

/// What came of a token.
pub(super) enum Reading<'t> {
    /// Nothing.
    Read,
    /// The text of a comment, to be searched.
    Comment(&'t str),
    /// The inside of a literal, to be searched.
    Literal(&'t str),
    /// A secret.
    Found(Match<'t>),
}

impl<'t> From<Option<Match<'t>>> for Reading<'t> {
    fn from(found: Option<Match<'t>>) -> Self {
        found.map_or(Self::Read, Self::Found)
    }
}

impl<'t> State<'_, 't> {
    /// Moves on by one token. `rest` is the text behind it.
    pub(super) fn read(&mut self, token: Token<'t>, rest: &str) -> Reading<'t> {
        let reading = match token {
            Token::Comment(text) => return Reading::Comment(text),
            Token::Word(word) => self.word(word).into(),
            Token::Quoted(text, quote) => self.quoted(text, quote, rest),
            Token::Number(text) => self.number(text).into(),
            Token::Op(op) => {
                if op == Op::Assign {
                    self.note_assignment();
                }
                self.note_operator(op);
                Reading::Read
            }
            Token::Open(bracket) => {
                self.open(bracket);
                Reading::Read
            }
            Token::Close => self.close().into(),
            Token::Comma => {
                self.comma();
                Reading::Read
            }
            Token::End => {
                *self = Self::new(self.script, take(&mut self.memory));
                Reading::Read
            }
            Token::Dot => {
                let frame = self.frames.top_mut();
                frame.dotted |= frame.index == 1;
                Reading::Read
            }
            Token::Parameter(sign) => {
                let number = self.note_parameter(sign);
                // `:pw := 'x'`
                let named = sign.strip_prefix(':').map_or(Operand::None, Operand::Name);
                self.operand = number.map_or(named, Operand::Parameter);
                Reading::Read
            }
            Token::Other => {
                self.operand = Operand::None;
                Reading::Read
            }
        };
        self.joins_password = match token {
            Token::Quoted(text, Quote::Single | Quote::Double) => joined::opens(text),
            _ => self.joins_password && joined::stays(token),
        };
        self.last = [token, self.last[0], self.last[1], self.last[2]];
        reading
    }

    fn word(&mut self, word: &'t str) -> Option<Match<'t>> {
        if self.last[0] == Token::Op(Op::Cast) {
            return None;
        }
        self.note_head(word);
        if self.frames.is_base() {
            self.note_insert(word);
        } else if word.eq_ignore_ascii_case("values") {
            self.note_values();
        }
        self.note_keyword(word);
        if self.is_bare_password(word) {
            return Some(Match::new(rule::BARE_PASSWORD, word));
        }
        if let Some(found) = self.given_variable(word) {
            return Some(found);
        }
        if word.starts_with('@') {
            self.note_parameter(word);
        }
        let starts = matches!(self.last[0], Token::Open(_) | Token::Comma | Token::Dot);
        if starts {
            self.note_column(word);
        }
        if starts && calls::takes_constants(self.frames.top().call) {
            self.note_name(word);
        }
        if is_any(self.word_before(0), &["column", "add"]) && !is_any(word, &["column", "if"]) {
            self.frames.top_mut().defines = word;
        }
        let found = self.aliased(word).or_else(|| self.compared(word));
        self.operand = Operand::Name(word);
        found
    }

    /// Notes what a keyword says of what follows.
    fn note_keyword(&mut self, word: &str) {
        let mut buffer = [0; 32];
        match lower(word, &mut buffer).unwrap_or_default() {
            "set" => {
                self.frames.top_mut().target = None;
                self.clause = Clause::Set;
            }
            "where" | "and" | "or" | "from" | "returning" | "on" | "order" | "group" | "limit" | "union" | "having"
            | "join" => self.frames.top_mut().target = None,
            "like" | "ilike" => self.note_operator(Op::Compare),
            "is" if !self.begins(&["comment"]) => self.note_operator(Op::Compare),
            "default" => self.note_assignment(),
            "case" => {
                let frame = self.frames.top_mut();
                frame.branches = frame.target;
            }
            // `SET password = CASE … WHEN … THEN '…'`: the branches are what is assigned, the conditions are not.
            "when" => self.frames.top_mut().target = None,
            "then" | "else" => {
                let frame = self.frames.top_mut();
                frame.target = frame.branches;
            }
            "identified" => {
                let account = self.begins(&["create", "alter", "grant", "set", "administer", "modify"]);
                if account || word == "IDENTIFIED" && !words::READS.contains_any_case(self.head[0]) {
                    self.clause = Clause::Identified;
                }
            }
            "to" if self.begins(&["set"]) || self.begins(&["alter"]) && self.clause == Clause::Set => {
                self.note_operator(Op::Assign);
            }
            _ => {}
        }
    }

    /// The first two words of a statement, also of one inside a block (`THEN CREATE ROLE …`).
    fn note_head(&mut self, word: &'t str) {
        // Few words are as short as the ones a statement may follow.
        let inner = self.word_before(0).len() < 8
            && is_any(self.word_before(0), &["begin", "then", "else", "loop", "do", "as", "explain"])
            && words::INNER_STATEMENTS.contains_any_case(word);
        let declared = self.last[0] == Token::Comma && self.frames.is_base() && word.starts_with('@');
        if inner {
            self.head = [word, ""];
        } else if self.head[1].is_empty() {
            self.head[usize::from(!self.head[0].is_empty())] = word;
        } else if declared && self.begins(&["declare"]) {
            // The next variable of the same statement.
            self.head[1] = word;
        }
    }

    fn note_column(&mut self, name: &'t str) {
        let frame = self.frames.top_mut();
        if frame.bracket == b'(' {
            frame.columns.add(frame.index, name);
            frame.defines = name;
        }
    }

    fn open(&mut self, bracket: u8) {
        // `SECRETS = ('name' = …)` lists names.
        let lists = |expected: &Expected| matches!(expected, Expected::Named(name) if name.plural && name.secret == SecretKind::Secret);
        let whole = self.expected(None).filter(|expected| !lists(expected));
        let call = match bracket {
            // `auth=('ada', '…')`
            b'(' if self.last[0] == Token::Op(Op::Assign) && is_any(self.word_before(1), LOGINS) => "basic_auth",
            b'(' => self.word_before(0),
            // `{$rename: {password: "password_hash"}}` gives names, not values.
            b'{' if self.last[0] == Token::Op(Op::Colon) && self.word_before(1) == RENAME => RENAME,
            _ => "",
        };
        // `kmsProviders: {local: {key: BinData(0, '…')}}`
        let binary = call == "BinData" && matches!(self.last[2], Token::Word("key") | Token::Quoted("key", _));
        let whole = if binary { Some(Expected::Given(rule::ENCRYPTION_KEY)) } else { whole };
        // `secrets["db"]` takes one of many.
        let index = bracket == b'[' && matches!(self.last[0], Token::Word(_) | Token::Close);
        // `password IN (…)`: the column is the operand, no operator has set a target.
        let listed = self.operand_before_in(call).map(Expected::Named);
        let frame = Frame {
            bracket,
            call,
            is_method: matches!(self.last[1], Token::Dot | Token::Op(Op::Path)),
            whole: listed.or(whole.filter(|_| !index)),
            is_row: bracket == b'(' && self.opens_row(call),
            binds: bracket != b'{' && self.opens_binds(),
            renames: bracket == b'(' && self.renames_rows(),
            ..Frame::default()
        };
        self.frames.push(frame);
        self.operand = Operand::None;
    }

    fn close(&mut self) -> Option<Match<'t>> {
        let Some(frame) = self.frames.pop() else {
            self.operand = Operand::None;
            return None;
        };
        self.operand = match self.operand {
            // SQL Server: `INSERT INTO [users] ([login], [password])`
            Operand::Name(text) if frame.bracket == b'[' && self.last[1] == Token::Open(b'[') => {
                if matches!(self.last[2], Token::Open(_) | Token::Comma | Token::Dot) {
                    self.note_column(text);
                }
                Operand::Name(text)
            }
            Operand::Name(text) if frame.index == 0 && !is_any(frame.call, &["values", "count"]) => {
                names::classify(text).map_or(Operand::None, Operand::Judged)
            }
            // `metadata['api_key'] = '…'`
            Operand::Text(text) if frame.bracket == b'[' => Operand::Name(text),
            Operand::Text(text) if frame.call.to_ascii_lowercase().contains("json") => {
                names::classify(text).map_or(Operand::None, Operand::Judged)
            }
            _ => Operand::None,
        };
        if !matches!(self.operand, Operand::Name(_)) {
            self.rows.listed = frame.columns;
        }
        if frame.renames { self.named_afterwards() } else { None }
    }

    fn comma(&mut self) {
        if self.frames.is_base() {
            self.memory.assigned = None;
        }
        let frame = self.frames.top_mut();
        frame.index += 1;
        frame.target = None;
        self.operand = Operand::None;
    }

    /// A number where a password is expected: `SET password = 123456`.
    fn number(&mut self, text: &'t str) -> Option<Match<'t>> {
        if self.is_bare_number(text) {
            return Some(Match::new(rule::BARE_PASSWORD, text));
        }
        self.operand = Operand::None;
        let name = self.frames.top().target.filter(|_| matches!(self.last[0], Token::Op(_)))?;
        let long = text.len() >= 4 && !value::is_status_word(text) && !name.hashed && !name.plural && !name.ticket;
        let secret = long && matches!(name.secret, SecretKind::Password | SecretKind::Passphrase);
        secret.then(|| Match::new(literal::rule_of(name), text))
    }

    fn quoted(&mut self, text: &'t str, quote: Quote, rest: &str) -> Reading<'t> {
        let is_name = quote == Quote::Back || quote == Quote::Double && self.is_name(text, rest);
        if is_name && !(quote == Quote::Back && self.last[0] == Token::Op(Op::Colon)) {
            if matches!(self.last[0], Token::Open(_) | Token::Comma | Token::Dot) {
                self.note_column(text);
            }
            self.operand = Operand::Name(text);
            return Reading::Read;
        }
        let found = self.given(text);
        self.note_variable(text);
        self.note_unnamed(text);
        let follows_path = self.last[0] == Token::Op(Op::Path);
        if quote == Quote::Double && matches!(self.last[0], Token::Open(_) | Token::Comma) {
            self.note_column(text);
        }
        self.operand = if follows_path || quote == Quote::Double { Operand::Name(text) } else { Operand::Text(text) };
        self.note_name(text);
        found.map_or(Reading::Literal(text), Reading::Found)
    }

    /// The secret that the literal is where it stands.
    fn given(&mut self, text: &'t str) -> Option<Match<'t>> {
        if let Some(rule) = self.set_by(text) {
            return Some(Match::new(rule, text));
        }
        if self.joins_password && !value::is_placeholder(text) && !text.trim().is_empty() {
            return Some(Match::new(rule::JOINED_PASSWORD, text));
        }
        if let Some(value) = self.setting_value(text) {
            return Some(Match::new(rule::SETTING_ROW, value));
        }
        let pattern = is_any(self.word_before(0), &["like", "ilike"]) && text.contains(['%', '_']);
        if pattern {
            return None;
        }
        let Some(expected) = self.expected(Some(text)) else {
            return self.is_login(text).then(|| Match::new(rule::LOGIN_FUNCTION, text));
        };
        let (rule, secret) = match expected {
            Expected::Given(rule) => (rule, !value::is_placeholder(text)),
            Expected::Named(name) if self.is_option(name) => (rule::PASSWORD_OPTION, !value::is_placeholder(text)),
            // Nobody sets a key to the name of a kind of keys.
            Expected::Named(name)
                if name.secret == SecretKind::Key && !name.weak && self.begins(&["set"]) && !value::is_path(text) =>
            {
                (rule::LITERAL_KEY, !value::is_placeholder(text) && !value::is_status_word(text))
            }
            // `SELECT … FROM plays WHERE pass = 'complete'`
            Expected::Named(name) if name.ticket && !value::is_opaque(text) && !self.script.speaks_of_accounts() => {
                return None;
            }
            Expected::Named(name) => (literal::rule_of(name), literal::is_secret(name, text)),
        };
        secret.then(|| Match::new(rule, text))
    }

    /// Whether the name is an option of a statement that defines an account or a server: there a hash is a credential.
    fn is_option(&self, name: names::Name) -> bool {
        words::SETTERS.contains_any_case(self.head[0])
            && name.secret == SecretKind::Password
            && self.rows.insert == super::state::Insert::No
            && !self.head[1].eq_ignore_ascii_case("table")
    }

    /// `UPDATE settings SET value = '…' WHERE name = 'smtp_password'`, in either order: the value, once both are known.
    fn setting_value(&mut self, text: &'t str) -> Option<&'t str> {
        let (Token::Op(Op::Assign), Token::Word(column), true) = (self.last[0], self.last[1], self.begins(&["update"]))
        else {
            return None;
        };
        if frames::is_value_column(column) {
            let told = !value::is_placeholder(text) && !is_said(text) && text.len() > 1;
            self.setting.value = self.setting.value.or(told.then_some(text));
        } else if frames::is_name_column(column) {
            self.setting.named |= names::classify(text).is_some_and(|name| !name.weak);
        }
        self.setting.value.filter(|_| self.setting.named)
    }

    /// Whether the literal is the password of a call such as `login('ada', '…')`.
    fn is_login(&self, text: &str) -> bool {
        let frame = self.frames.top();
        let starts = matches!(self.last[0], Token::Open(_) | Token::Comma);
        starts && !frame.call.is_empty() && logins::is_password(frame.call, frame.index, text)
    }

    /// A literal that is the name of a secret makes the next argument its value.
    fn note_name(&mut self, text: &str) {
        let frame = self.frames.top_mut();
        if calls::is_format(frame.call) {
            if let (0, Some(slot)) = (frame.index, calls::password_slot(text)) {
                frame.named = names::classify("password").map(|name| (slot, name));
            }
        } else if text.len() < 80
            && !text.contains(' ')
            && let Some(name) = names::classify(text)
        {
            frame.named = Some((frame.index, name));
        }
    }

    /// Whether a text in double quotes is a name: it is qualified, or it names a column itself.
    fn is_name(&self, text: &str, rest: &str) -> bool {
        let qualified = self.last[0] == Token::Dot || rest.starts_with('.');
        let sentence = text.contains([':', '=']) || text.contains("--");
        qualified
            || self.begins(&["update", "select", "delete", "with"]) && !sentence && names::classify(text).is_some()
    }
}
