//! Follows the tokens of statements and asks of each literal what it is given to.
//!
//! There is no grammar: the state is the statement's first words, the last few tokens, and the
//! open brackets. When a literal comes, what stands before it decides. A parameter, `NULL` or a
//! column in its place never is a literal, so naming a secret column alone finds nothing.

use super::{
    super::{
        Kind,
        names::{self, Secret},
    },
    calls,
    frames::{Columns, Expected, Frame, Frames},
    given::{INNER, READS, RENAME},
    in_comment, in_string,
    lexer::Lexer,
    opened,
    operand::Operand,
    token::{Op, Quote, Token},
};

/// Arguments of Python's libraries that hold an account and its password.
const LOGINS: &[&str] = &["auth", "basic_auth", "http_auth", "proxy_auth"];

/// What is known at a position in the statements of a text.
pub(super) struct Statement<'a> {
    /// The text that the statements are in.
    pub text: &'a str,
    /// Whether the text speaks of accounts, once that has been asked.
    pub accounts: Option<bool>,
    pub nesting: u8,
    /// The first two words.
    pub words: [&'a str; 2],
    /// The last tokens, the newest first.
    pub last: [Token<'a>; 4],
    pub operand: Operand<'a>,
    pub frames: Frames<'a>,
    /// The columns of the bracket closed last.
    pub listed: Columns,
    /// The columns that the rows or the SELECT of an INSERT fill.
    pub filled: Columns,
    pub inserts: bool,
    pub rows: bool,
    pub selects: bool,
    /// `IDENTIFIED` has been read: what follows is the password of an account.
    pub identified: bool,
    /// `ALTER … SET` has been read.
    pub sets: bool,
    /// A literal has been read after which the password is to come.
    pub opened: bool,
    /// The variable that is being assigned.
    pub assigned: Option<&'a str>,
    /// Variables that have been given a literal, also by statements before.
    pub variables: Vec<&'a str>,
    /// The literals of a row of `VALUES` whose columns are named behind it, by position.
    pub unnamed: Vec<(u32, &'a str)>,
    /// `SET value = '…'` and `WHERE name = 'password'` of one UPDATE.
    pub setting: (bool, bool),
}

/// The first credential in the statements of `text`.
pub(super) fn find(text: &str, nesting: u8) -> Option<Kind> {
    let mut statement = Statement::new(text, nesting);
    let mut lexer = Lexer::new(text);
    while let Some(token) = lexer.next() {
        if let Some(kind) = statement.read(token, &lexer) {
            return Some(kind);
        }
    }
    None
}

pub(super) fn is_any(word: &str, list: &[&str]) -> bool {
    list.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// The word in lower case if it is no longer than a keyword.
fn lower<'b>(word: &str, buffer: &'b mut [u8; 10]) -> &'b [u8] {
    let Some(lower) = buffer.get_mut(..word.len()) else {
        return &[];
    };
    lower.copy_from_slice(word.as_bytes());
    lower.make_ascii_lowercase();
    lower
}

impl<'a> Statement<'a> {
    fn new(text: &'a str, nesting: u8) -> Self {
        Self {
            text,
            accounts: None,
            nesting,
            words: [""; 2],
            last: [Token::End; 4],
            operand: Operand::None,
            frames: Frames::new(),
            listed: Columns::default(),
            filled: Columns::default(),
            inserts: false,
            rows: false,
            selects: false,
            identified: false,
            sets: false,
            opened: false,
            assigned: None,
            variables: Vec::new(),
            unnamed: Vec::new(),
            setting: (false, false),
        }
    }

    pub(super) fn begins(&self, heads: &[&str]) -> bool {
        is_any(self.words[0], heads)
    }

    /// The word read `back` tokens ago, or empty.
    pub(super) fn word_before(&self, back: usize) -> &'a str {
        match self.last[back] {
            Token::Word(word) => word,
            _ => "",
        }
    }

    fn read(&mut self, token: Token<'a>, lexer: &Lexer<'a>) -> Option<Kind> {
        let found = match token {
            Token::Comment(text) => return in_comment(text, self.nesting),
            Token::Word(word) => self.word(word),
            Token::Quoted(text, quote) => self.quoted(text, quote, lexer),
            Token::Number(text) => self.number(text),
            Token::Op(op) => {
                if op == Op::Assign {
                    self.note_assignment();
                }
                self.operator(op);
                None
            }
            Token::Open(bracket) => self.open(bracket),
            Token::Close => self.close(),
            Token::Comma => self.comma(),
            Token::End => {
                let (variables, accounts) = (std::mem::take(&mut self.variables), self.accounts);
                *self = Self { variables, accounts, ..Self::new(self.text, self.nesting) };
                None
            }
            Token::Dot => {
                let frame = self.frames.top_mut();
                frame.dotted |= frame.index == 1;
                None
            }
            Token::Parameter | Token::Other => {
                self.operand = Operand::None;
                None
            }
        };
        self.opened = match token {
            Token::Quoted(text, Quote::Single | Quote::Double) => opened::opens(text),
            _ => self.opened && opened::stays(token),
        };
        self.last = [token, self.last[0], self.last[1], self.last[2]];
        found
    }

    fn word(&mut self, word: &'a str) -> Option<Kind> {
        if self.last[0] == Token::Op(Op::Cast) {
            return None;
        }
        self.note_first_words(word);
        if self.begins(&["declare"]) && self.last[0] == Token::Comma && self.frames.is_base() && word.starts_with('@') {
            // The next variable of the same statement.
            self.words[1] = word;
        }
        if self.frames.is_base() {
            self.note_insert(word);
        } else if word.eq_ignore_ascii_case("values") {
            self.note_values();
        }
        self.keyword(word);
        let given = self.is_bare_password(word).then_some(Kind::SetsPassword).or_else(|| self.given_variable(word));
        if given.is_some() {
            return given;
        }
        if matches!(self.last[0], Token::Open(_) | Token::Comma | Token::Dot) {
            self.note_column(word);
        }
        if matches!(self.word_before(0).len(), 3 | 6)
            && is_any(self.word_before(0), &["column", "add"])
            && !is_any(word, &["column", "if"])
        {
            self.frames.top_mut().defines = word;
        }
        let aliased = self.is_aliased(word).or_else(|| self.is_compared(word));
        self.operand = Operand::Name(word);
        aliased
    }

    /// Notes what a keyword says of what follows.
    fn keyword(&mut self, word: &str) {
        let mut buffer = [0; 10];
        match lower(word, &mut buffer) {
            b"where" | b"and" | b"or" | b"from" | b"returning" | b"on" | b"order" | b"group" | b"limit" | b"union"
            | b"having" | b"join" | b"set" => {
                self.frames.top_mut().target = None;
                self.sets |= word.eq_ignore_ascii_case("set");
                self.selects &= !is_any(word, &["from", "union", "where"]);
            }
            b"like" | b"ilike" => self.operator(Op::Compare),
            b"is" if !self.begins(&["comment"]) => self.operator(Op::Compare),
            b"default" => self.note_assignment(),
            b"case" | b"when" | b"then" | b"else" => self.branch(word),
            b"identified" => {
                self.identified = self.begins(&["create", "alter", "grant", "set", "administer", "modify"])
                    || word == "IDENTIFIED" && !self.begins(READS);
            }
            b"to" if self.begins(&["set"]) || self.begins(&["alter"]) && self.sets => {
                self.operator(Op::Assign);
            }
            _ => {}
        }
    }

    /// `SET password = CASE … WHEN … THEN '…'`: the branches are what is assigned, the
    /// conditions are not.
    fn branch(&mut self, word: &str) {
        let frame = self.frames.top_mut();
        match word.as_bytes()[0].to_ascii_lowercase() {
            b'c' => frame.branches = frame.target,
            b'w' => frame.target = None,
            _ => frame.target = frame.branches,
        }
    }

    /// The first two words of a statement, also of one inside a block (`THEN CREATE ROLE …`).
    fn note_first_words(&mut self, word: &'a str) {
        // Few words are as short as the ones a statement may follow.
        let inner = self.word_before(0).len() < 8
            && is_any(word, INNER)
            && is_any(self.word_before(0), &["begin", "then", "else", "loop", "do", "as", "explain"]);
        if inner {
            self.words = [word, ""];
        } else if self.words[1].is_empty() {
            self.words[usize::from(!self.words[0].is_empty())] = word;
        }
    }

    fn note_column(&mut self, name: &'a str) {
        let frame = self.frames.top_mut();
        if frame.bracket == b'(' {
            frame.columns.add(frame.index, name);
            frame.defines = name;
        }
    }

    fn open(&mut self, bracket: u8) -> Option<Kind> {
        // `SECRETS = ('name' = …)` lists names.
        let lists = |expected: &Expected| matches!(expected, Expected::Named(name) if name.plural && name.secret == Secret::Secret);
        let whole = self.expected(None).filter(|expected| !lists(expected));
        let call = match bracket {
            // `auth=('ada', '…')`
            b'(' if self.last[0] == Token::Op(Op::Assign) && is_any(self.word_before(1), LOGINS) => "basic_auth",
            b'(' => self.word_before(0),
            // `{$rename: {password: "password_hash"}}` gives names, not values.
            b'{' if self.last[0] == Token::Op(Op::Colon) && self.word_before(1) == RENAME => RENAME,
            _ => "",
        };
        let is_method = matches!(self.last[1], Token::Dot | Token::Op(Op::Path));
        let parent = self.frames.top();
        let tuple = matches!(self.last[0], Token::Op(Op::Assign | Op::Compare)) || call.eq_ignore_ascii_case("in");
        let tuple = tuple && self.last[1] == Token::Close;
        let called = !call.is_empty() && !is_any(call, &["values", "value", "row", "in"]);
        let is_row = bracket == b'('
            && (self.rows && parent.bracket == 0 && !called
                || tuple
                || parent.values
                || parent.is_row && parent.bracket == b'(' && call.is_empty());
        if tuple && bracket == b'(' {
            self.filled = std::mem::take(&mut self.listed);
        }
        // `kmsProviders: {local: {key: BinData(0, '…')}}`
        let binary = call == "BinData" && matches!(self.last[2], Token::Word("key") | Token::Quoted("key", _));
        let whole = if binary { Some(Expected::Given(Kind::EncryptionKey)) } else { whole };
        // `secrets["db"]` takes one of many.
        let index = bracket == b'[' && matches!(self.last[0], Token::Word(_) | Token::Close);
        let whole = whole.filter(|_| !index);
        // `password IN (…)`: the column is the operand, no operator has set a target.
        let listed = match self.operand_before_in(call) {
            Some(name) => Some(Expected::Named(name)),
            None => whole,
        };
        let renames = bracket == b'(' && self.renames_rows();
        self.frames.push(Frame { bracket, call, is_method, whole: listed, is_row, renames, ..Frame::default() });
        self.operand = Operand::None;
        None
    }

    fn close(&mut self) -> Option<Kind> {
        let renames = self.frames.top().renames;
        let found = self.closed();
        if renames {
            let columns = std::mem::take(&mut self.listed);
            return found.or_else(|| self.named_afterwards(&columns));
        }
        found
    }

    fn closed(&mut self) -> Option<Kind> {
        self.operand = match (self.frames.pop(), self.operand) {
            (Some(frame), Operand::Name(text)) if frame.index == 0 && !is_any(frame.call, &["values", "count"]) => {
                let judged = names::classify(text);
                self.listed = frame.columns;
                judged.map_or(Operand::None, Operand::Judged)
            }
            // `metadata['api_key'] = '…'`
            (Some(frame), Operand::Text(text)) if frame.bracket == b'[' => Operand::Name(text),
            (Some(frame), Operand::Text(text)) if frame.call.to_ascii_lowercase().contains("json") => {
                names::classify(text).map_or(Operand::None, Operand::Judged)
            }
            (Some(frame), _) => {
                self.listed = frame.columns;
                Operand::None
            }
            (None, _) => Operand::None,
        };
        None
    }

    fn comma(&mut self) -> Option<Kind> {
        if self.frames.is_base() {
            self.assigned = None;
        }
        let frame = self.frames.top_mut();
        frame.index += 1;
        frame.target = None;
        self.operand = Operand::None;
        None
    }

    /// A number where a password is expected: `SET password = 123456`.
    fn number(&mut self, text: &str) -> Option<Kind> {
        if self.is_bare_number(text) {
            return Some(Kind::SetsPassword);
        }
        self.operand = Operand::None;
        let name = self.frames.top().target.filter(|_| matches!(self.last[0], Token::Op(_)))?;
        let long = text.len() >= 4 && !name.hashed && !name.plural && !name.ticket;
        (long && matches!(name.secret, Secret::Password | Secret::Passphrase)).then_some(Kind::Literal(name.secret))
    }

    fn quoted(&mut self, text: &'a str, quote: Quote, lexer: &Lexer<'a>) -> Option<Kind> {
        let is_name = quote == Quote::Back || quote == Quote::Double && self.is_name(text, lexer);
        if is_name && !(quote == Quote::Back && self.last[0] == Token::Op(Op::Colon)) {
            if matches!(self.last[0], Token::Open(_) | Token::Comma | Token::Dot) {
                self.note_column(text);
            }
            self.operand = Operand::Name(text);
            return None;
        }
        let found = self.given(text).or_else(|| in_string(text, self.nesting));
        self.note_variable(text);
        self.note_unnamed(text);
        let follows_path = self.last[0] == Token::Op(Op::Path);
        if quote == Quote::Double && matches!(self.last[0], Token::Open(_) | Token::Comma) {
            self.note_column(text);
        }
        self.operand = if follows_path || quote == Quote::Double { Operand::Name(text) } else { Operand::Text(text) };
        self.note_name(text);
        found
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
    fn is_name(&self, text: &str, lexer: &Lexer<'a>) -> bool {
        let qualified = self.last[0] == Token::Dot || lexer.rest().starts_with('.');
        let sentence = text.contains([':', '=']) || text.contains("--");
        qualified
            || self.begins(&["update", "select", "delete", "with"]) && !sentence && names::classify(text).is_some()
    }
}
