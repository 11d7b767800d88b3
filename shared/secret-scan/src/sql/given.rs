//! What a literal is given to: the rules of the statements, by what stands before the literal.

use super::{
    super::{
        Kind,
        names::{self, Secret},
        value,
    },
    calls::{self, Argument},
    frames::{self, Expected, Frame},
    literal, logins,
    operand::Operand,
    statement::{Statement, is_any},
    token::{Op, Quote, Token},
};

/// First words of statements that define accounts, servers and options; there a hash counts.
#[rustfmt::skip]
pub(super) const SETTERS: &[&str] = &[
    "create", "alter", "grant", "set", "change", "start", "pragma", "attach", "do",
];
/// First words of statements that read or write rows; there `password 'x'` is an alias.
#[rustfmt::skip]
pub(super) const READS: &[&str] = &[
    "select", "with", "explain", "insert", "update", "delete", "comment", "show", "describe",
    "values", "merge",
];

/// The operator of MongoDB that renames fields.
pub(super) const RENAME: &str = "$rename";
/// The settings of SQLCipher that take the key.
pub(super) const PRAGMAS: &[&str] = &["key", "rekey", "hexkey", "hexrekey", "textkey", "textrekey"];
/// Engines of ClickHouse's databases, which take the password fourth.
const ENGINES: &[&str] = &["mysql", "postgresql", "materializedmysql", "materializedpostgresql"];
/// First words of statements that are looked for inside blocks.
#[rustfmt::skip]
pub(super) const INNER: &[&str] = &[
    "create", "alter", "grant", "set", "insert", "update", "delete", "select", "execute",
];

/// Whether the value of a setting says something of the secret, labels its field, or is a sentence.
fn is_said(text: &str) -> bool {
    let sentence = text.contains(' ') && text.starts_with(char::is_uppercase) && !text.split(' ').any(value::is_opaque);
    value::is_status_word(text) || value::is_label(text) || sentence
}

/// Whether a text next to the name of a secret is its value and not a translation, a type or an event.
fn is_setting(name: names::Name, text: &str) -> bool {
    let looks = if name.secret == Secret::Password { value::is_opaque(text) } else { value::is_long_opaque(text) };
    looks && !text.contains(['(', '@']) && !name.plural
}

impl<'a> Statement<'a> {
    /// What the literal is given to, if it is a secret there.
    pub(super) fn given(&mut self, text: &str) -> Option<Kind> {
        if self.sets_password(text) || self.opened && literal::is_set(text) && !text.trim().is_empty() {
            return Some(Kind::SetsPassword);
        }
        if let Some(kind) = self.names_setting(text) {
            return Some(kind);
        }
        let pattern = is_any(self.word_before(0), &["like", "ilike"]) && text.contains(['%', '_']);
        if pattern {
            return None;
        }
        let Some(expected) = self.expected(Some(text)) else {
            return self.login(text);
        };
        match expected {
            Expected::Named(name)
                if self.begins(SETTERS)
                    && name.secret == Secret::Password
                    && !self.inserts
                    && !self.words[1].eq_ignore_ascii_case("table") =>
            {
                literal::is_set(text).then_some(Kind::SetsPassword)
            }
            // Nobody sets a key to the name of a kind of keys.
            Expected::Named(name)
                if name.secret == Secret::Key && !name.weak && self.begins(&["set"]) && !value::is_path(text) =>
            {
                (literal::is_set(text) && !value::is_status_word(text)).then_some(Kind::Literal(name.secret))
            }
            // `SELECT … FROM plays WHERE pass = 'complete'`
            Expected::Named(name) if name.ticket && !value::is_opaque(text) && !self.speaks_of_accounts() => None,
            Expected::Named(name) => literal::is_secret(name, text).then_some(Kind::Literal(name.secret)),
            Expected::Given(kind) => literal::is_set(text).then_some(kind),
        }
    }

    /// Whether the text is about people who log in.
    fn speaks_of_accounts(&mut self) -> bool {
        const WORDS: &[&str] = &["user", "usr", "login", "account", "member", "customer", "admin", "mail", "auth"];
        *self.accounts.get_or_insert_with(|| {
            let lower = self.text.to_ascii_lowercase();
            WORDS.iter().any(|word| lower.contains(word))
        })
    }

    /// The password of a call such as `login('ada', '…')`.
    fn login(&self, text: &str) -> Option<Kind> {
        let frame = self.frames.top();
        let starts = matches!(self.last[0], Token::Open(_) | Token::Comma);
        (starts && !frame.call.is_empty()).then(|| logins::given(frame.call, frame.index, text)).flatten()
    }

    /// What a literal (or a bracket, if None) at this place is expected to be.
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
        let operator = |token: Token| matches!(token, Token::Op(Op::Assign | Op::Compare | Op::Colon | Op::Arrow));
        let assigned = operator(self.last[0]) || call && operator(before_call);
        let branch = is_any(self.word_before(0), &["then", "else", "to", "like", "ilike", "is"]);
        if let Some(name) = frame.target.filter(|_| assigned || branch) {
            return Some(Expected::Named(name));
        }
        if self.selects && frame.bracket == 0 && (starts || is_any(self.word_before(0), &["select", "distinct"])) {
            return self.filled.secret(frame.index).map(Expected::Named);
        }
        if !starts {
            return None;
        }
        if frame.is_row {
            return self.in_row(frame, text);
        }
        if self.is_engine_password(frame) {
            return Some(Expected::Given(Kind::SetsPassword));
        }
        match calls::argument(frame.call, frame.index, frame.is_method) {
            Argument::Secret(kind) => Some(Expected::Given(kind)),
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
    fn is_engine_password(&self, frame: &Frame<'a>) -> bool {
        let database = self.begins(&["create"]) && self.words[1].eq_ignore_ascii_case("database");
        frame.index == 3
            && (database && is_any(frame.call, ENGINES)
                || frame.dotted && is_any(frame.call, &["remote", "remotesecure"]))
    }

    fn in_row(&self, frame: &Frame<'a>, text: Option<&str>) -> Option<Expected> {
        if let Some(name) = self.filled.secret(frame.index) {
            return Some(Expected::Named(name));
        }
        // `INSERT INTO settings (name, value) VALUES ('smtp_password', '…')`
        let (at, name) = frame.named?;
        let text = text.filter(|text| !is_said(text))?;
        // Without a list of columns the value is next to the name, and has to look like one. `password` alone is the name of
        // a field more often than of a setting.
        let key = |token| matches!(token, Token::Quoted(key, _) if key.contains(['_', '.', '-']));
        let beside = self.filled.is_empty() && at + 1 == frame.index && (at == 0 || key(self.last[1]));
        let beside = beside && is_setting(name, text);
        (self.filled.is_value(frame.index) || beside).then_some(Expected::Named(name))
    }

    /// `UPDATE settings SET value = '…' WHERE name = 'smtp_password'`, in either order.
    fn names_setting(&mut self, text: &str) -> Option<Kind> {
        let (Token::Op(Op::Assign), Token::Word(column), true) = (self.last[0], self.last[1], self.begins(&["update"]))
        else {
            return None;
        };
        if frames::is_value_column(column) {
            self.setting.0 |= !value::is_placeholder(text) && !is_said(text) && text.len() > 1;
        } else if frames::is_name_column(column) {
            self.setting.1 |= names::classify(text).is_some_and(|name| !name.weak);
        }
        (self.setting == (true, true)).then_some(Kind::SetsPassword)
    }

    /// The statements whose grammar says that this literal is a password or key.
    fn sets_password(&self, text: &str) -> bool {
        if !literal::is_set(text) {
            return false;
        }
        let before = self.word_before(0);
        let equals = self.last[0] == Token::Op(Op::Assign);
        if self.identified {
            // `WITH BACKUP USING 'tag'` names the copy of a wallet.
            let tag = self.word_before(1).eq_ignore_ascii_case("backup");
            let secret = is_any(before, &["by", "password", "using", "values", "replace"]) && !tag
                || before.eq_ignore_ascii_case("as") && !self.is_external();
            return secret && !self.is_external();
        }
        if self.begins(&["alter"]) && self.words[1].eq_ignore_ascii_case("current") {
            // Neo4j: `ALTER CURRENT USER SET PASSWORD FROM '…' TO '…'`
            return is_any(before, &["from", "to"]);
        }
        // Materialize: `CREATE SECRET name AS '…'`
        let secret = self.begins(&["create", "alter"]) && self.words[1].eq_ignore_ascii_case("secret");
        if secret && before.eq_ignore_ascii_case("as") {
            return true;
        }
        if self.begins(&["create"]) && self.words[1].eq_ignore_ascii_case("symmetric") && equals {
            return matches!(self.operand, Operand::Name(name) if name.eq_ignore_ascii_case("key_source"));
        }
        if self.begins(&["set"]) && self.words[1].eq_ignore_ascii_case("password") {
            return equals || is_any(before, &["to", "replace"]);
        }
        if self.begins(&["pragma"])
            && (is_any(self.words[1], PRAGMAS) || matches!(self.operand, Operand::Name(name) if is_any(name, PRAGMAS)))
        {
            return true;
        }
        if self.begins(&["attach"]) && before.eq_ignore_ascii_case("key") {
            return true;
        }
        if before.eq_ignore_ascii_case("default") {
            let name = names::classify(self.frames.top().defines);
            let looks =
                value::is_opaque(text) || is_any(text, &["changeme", "password", "secret", "letmein", "welcome"]);
            return name.is_some_and(|name| looks && literal::is_secret(name, text));
        }
        self.stands_beside(before, text)
    }

    /// Plugins that leave the password to the system: what follows names a service.
    fn is_external(&self) -> bool {
        let plugin = match (self.last[1], self.last[0]) {
            (Token::Word(plugin) | Token::Quoted(plugin, _), Token::Word(_)) => plugin.to_ascii_lowercase(),
            _ => return false,
        };
        ["pam", "ldap", "windows", "kerberos", "gssapi", "socket", "aws", "iam", "global", "external"]
            .iter()
            .any(|part| plugin.contains(part))
    }

    /// `PASSWORD '…'`, `SECRET '…'`, `ENCRYPTION KEY '…'` with nothing between.
    fn stands_beside(&self, before: &'a str, text: &str) -> bool {
        let options = is_any(self.frames.top().call, &["options", "secret"]);
        let before = match self.last[0] {
            Token::Quoted(name, Quote::Double | Quote::Back) if options => name,
            _ => before,
        };
        if before.is_empty() || self.begins(READS) && !options || before.starts_with('@') {
            return false;
        }
        let name = if before.eq_ignore_ascii_case("key") {
            names::classify(&format!("{}_key", self.word_before(1)))
        } else {
            names::classify(before)
        };
        name.is_some_and(|name| match name.secret {
            Secret::Credentials => false,
            Secret::Password => {
                self.begins(SETTERS)
                    || options
                    || !text.contains(' ') && !names::classify(text).is_some_and(|n| n.plural)
            }
            _ if self.begins(&["attach"]) => true,
            // "unexpected token 'x1'" is an error message.
            _ => {
                (self.begins(SETTERS) || self.begins(&["copy", "unload"]) || options) && literal::is_secret(name, text)
            }
        })
    }
}
