//! A tolerant lexer for statements of PostgreSQL, MySQL and SQLite and for the MongoDB shell.
//!
//! It does not know the dialect, so it reads what is common and decides the rest by what follows
//! (is `\'` an escape or the end of a string?). It never fails: what it cannot read is
//! [`Token::Other`]. Every byte is read a bounded number of times.

use super::token::{Op, Quote, Token, is_any};

/// How many levels of `$tag$` bodies are entered, and how many unclosed ones are tolerated.
const DOLLAR_LIMIT: usize = 4;
/// Maximum length of a text in Oracle's delimiters, in bytes.
const DELIMITED: usize = 4096;
/// Maximum length of a text in curly quotes, in characters.
const CURLY: usize = 400;
/// How many curly quotes and delimiters without their ends are tolerated: each is looked for in vain.
const UNCLOSED: usize = 16;

/// Splits a text into tokens.
pub(super) struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Where the bodies of the `$tag$` strings being read end.
    bodies: Vec<(usize, usize)>,
    unclosed_dollars: usize,
    unclosed: usize,
    retried: bool,
    body_starts: bool,
}

impl<'a> Lexer<'a> {
    /// A lexer at the start of `text`.
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
            bodies: Vec::new(),
            unclosed_dollars: 0,
            unclosed: 0,
            retried: false,
            body_starts: false,
        }
    }

    /// The rest of the text, for a look at what follows a token.
    pub(super) fn rest(&self) -> &'a str {
        self.slice(self.at, self.text.len())
    }

    fn byte(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn before(&self, back: usize) -> u8 {
        self.at.checked_sub(back).and_then(|i| self.bytes.get(i)).copied().unwrap_or(b' ')
    }

    /// A slice; positions in the middle of a character, which a tolerant lexer may reach, give
    /// an empty one.
    fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end.min(self.text.len())).unwrap_or_default()
    }

    fn take(&mut self, length: usize, token: Token<'a>) -> Token<'a> {
        self.at += length;
        token
    }

    /// The end of the line or of the text.
    fn line_end(&self) -> usize {
        self.bytes[self.at..].iter().position(|&b| b == b'\n').map_or(self.bytes.len(), |n| self.at + n)
    }

    fn comment(&mut self, marks: usize) -> Token<'a> {
        let end = self.line_end();
        let text = self.slice((self.at + marks).min(end), end);
        self.at = end;
        Token::Comment(text)
    }

    /// `/* … */`, nested as in PostgreSQL. `/*! … */` of MySQL is code.
    fn block(&mut self) -> Token<'a> {
        self.at += 2;
        if self.byte(0) == b'!' || self.byte(0) == b'M' && self.byte(1) == b'!' {
            let marks = self.bytes[self.at..]
                .iter()
                .take(8)
                .take_while(|&&b| b == b'!' || b == b'M' || b.is_ascii_digit())
                .count();
            return self.take(marks, Token::Comment(""));
        }
        let start = self.at;
        let mut depth = 1;
        while self.at < self.bytes.len() {
            match (self.byte(0), self.byte(1)) {
                (b'*', b'/') if depth == 1 => {
                    let text = self.slice(start, self.at);
                    return self.take(2, Token::Comment(text));
                }
                (b'*', b'/') => (depth, self.at) = (depth - 1, self.at + 2),
                (b'/', b'*') => (depth, self.at) = (depth + 1, self.at + 2),
                _ => self.at += 1,
            }
        }
        Token::Comment(self.slice(start, self.at))
    }

    /// A text in quotes of one byte.
    fn quoted(&mut self, mark: u8, quote: Quote, escapes: bool) -> Token<'a> {
        let start = self.at + 1;
        self.at = start;
        while self.at < self.bytes.len() {
            let byte = self.byte(0);
            let is_escape = byte == b'\\' && (escapes || quote == Quote::Double || self.escapes(mark, start));
            let doubled = byte == mark && self.byte(1) == mark && quote != Quote::Back;
            if is_escape || doubled {
                self.at += 2;
            } else if byte == mark {
                let text = self.slice(start, self.at);
                return self.take(1, Token::Quoted(text, quote));
            } else {
                self.at += 1;
            }
        }
        // Unclosed: a cut statement, or an apostrophe in prose. Once per text, what follows is
        // read again as if there were no quote; more often would not be linear.
        let text = self.slice(start, self.bytes.len());
        self.at = if self.retried { self.bytes.len() } else { start };
        self.retried = true;
        Token::Quoted(text, quote)
    }

    /// Whether a backslash in a string without `E` escapes what follows, as in MySQL, or stands
    /// for itself, as in PostgreSQL (`'C:\dir\'`).
    fn escapes(&self, mark: u8, start: usize) -> bool {
        if self.byte(1) != mark {
            return true;
        }
        let after = self.byte(2);
        let alone = self.at == start && !after.is_ascii_alphanumeric() && after != mark;
        !(alone || matches!(after, 0 | b',' | b')' | b';' | b'\n'))
    }

    /// An apostrophe in prose: `user's`, `don't`, `users' `.
    fn is_apostrophe(&self) -> bool {
        if !(self.before(1).is_ascii_alphabetic() && self.before(2).is_ascii_alphanumeric()) {
            return false;
        }
        let rest = &self.bytes[self.at + 1..];
        let ends = |n: usize| !rest.get(n).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'\'');
        let suffix =
            ["s", "t", "d", "m", "re", "ve", "ll"].iter().find(|s| rest.starts_with(s.as_bytes()) && ends(s.len()));
        suffix.is_some() || rest.first() == Some(&b' ')
    }

    /// `‘…’` and `“…”`, which word processors make of quotes.
    fn curly(&mut self) -> Option<Token<'a>> {
        let rest = self.slice(self.at, self.text.len());
        let open = rest.chars().next()?;
        let (quote, ends) = match open {
            '‘' | '‚' => (Quote::Single, ['’', '‘']),
            '“' | '„' => (Quote::Double, ['”', '“']),
            _ => return None,
        };
        if self.unclosed == UNCLOSED {
            return None;
        }
        let body = &rest[open.len_utf8()..];
        let Some((end, close)) = body.char_indices().take(CURLY).find(|(_, c)| ends.contains(c)) else {
            self.unclosed += 1;
            return None;
        };
        let text = &body[..end];
        Some(self.take(open.len_utf8() + end + close.len_utf8(), Token::Quoted(text, quote)))
    }

    /// `$1`, `$name`, `$$ … $$`, `$tag$ … $tag$`.
    fn dollar(&mut self) -> Token<'a> {
        if let Some(&(end, length)) = self.bodies.last()
            && end == self.at
        {
            self.bodies.pop();
            return self.take(length, Token::Other);
        }
        let name = self.bytes[self.at + 1..]
            .iter()
            .take(64)
            .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_' || **b >= 0x80)
            .count();
        let first = self.byte(1);
        if self.byte(1 + name) == b'$'
            && !first.is_ascii_digit()
            && self.unclosed_dollars < DOLLAR_LIMIT
            && self.bodies.len() < DOLLAR_LIMIT
        {
            let tag = self.slice(self.at, self.at + name + 2);
            let start = self.at + tag.len();
            let limit = self.bodies.last().map_or(self.text.len(), |(end, _)| *end);
            let inside = self.slice(start, limit);
            self.at = start;
            self.body_starts = true;
            if let Some(end) = inside.find(tag) {
                self.bodies.push((start + end, tag.len()));
                return Token::Quoted(&inside[..end], Quote::Single);
            }
            self.unclosed_dollars += 1;
            return Token::Quoted(inside, Quote::Single);
        }
        if first.is_ascii_digit() || name == 0 {
            let sign = self.slice(self.at, self.at + 1 + name);
            return self.take(1 + name, Token::Parameter(sign));
        }
        let word = self.slice(self.at, self.at + 1 + name);
        self.take(1 + name, Token::Word(word))
    }

    fn word(&mut self) -> Token<'a> {
        let start = self.at;
        let is_word = |b: &&u8| b.is_ascii_alphanumeric() || matches!(**b, b'_' | b'@' | b'$') || **b >= 0x80;
        let mut length = 0;
        for b in self.bytes[start..].iter().take_while(is_word) {
            // A closing curly quote or a body's `$tag$` ends the word.
            if *b == 0xE2 && length > 0 && self.bytes.get(start + length + 1) == Some(&0x80)
                || self.bodies.last().is_some_and(|(end, _)| *end == start + length)
            {
                break;
            }
            length += 1;
        }
        let length = length.max(1);
        let text = self.slice(start, start + length);
        self.at += length;
        let prefix = matches!(text, "E" | "e" | "N" | "n" | "B" | "b" | "X" | "x" | "R" | "r")
            || text.starts_with('_') && length < 12;
        if self.byte(0) == b'\'' && prefix {
            return self.quoted(b'\'', Quote::Single, text.eq_ignore_ascii_case("e"));
        }
        if self.byte(0) == b'\'' && is_any(text, &["q", "nq"]) && self.unclosed < UNCLOSED {
            return self.delimited();
        }
        if matches!(text, "U" | "u") && self.byte(0) == b'&' && matches!(self.byte(1), b'\'' | b'"') {
            self.at += 1;
            let mark = self.byte(0);
            return self.quoted(mark, if mark == b'"' { Quote::Double } else { Quote::Single }, false);
        }
        Token::Word(text)
    }

    /// Oracle's `q'[…]'`.
    fn delimited(&mut self) -> Token<'a> {
        let close: [u8; 2] = match self.byte(1) {
            b'[' => *b"]'",
            b'{' => *b"}'",
            b'(' => *b")'",
            b'<' => *b">'",
            0x80.. => *b"''",
            same => [same, b'\''],
        };
        let start = self.at + 2;
        let inside = self.bytes.get(start..).unwrap_or_default();
        let Some(length) = inside.windows(2).take(DELIMITED).position(|end| end == close) else {
            self.unclosed += 1;
            return self.quoted(b'\'', Quote::Single, false);
        };
        let text = self.slice(start, start + length);
        self.at = start + length + 2;
        Token::Quoted(text, Quote::Single)
    }

    fn number(&mut self) -> Token<'a> {
        let start = self.at;
        let length =
            self.bytes[start..].iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.')).count();
        self.take(length, Token::Number(self.slice(start, start + length)))
    }

    /// `:`, `::`, `:=`, and psql's `:'variable'`.
    fn colon(&mut self) -> Token<'a> {
        match self.byte(1) {
            b':' => self.take(2, Token::Op(Op::Cast)),
            b'=' => self.take(2, Token::Op(Op::Assign)),
            mark @ (b'\'' | b'"') if matches!(self.before(1), b' ' | b'(' | b'=' | b'\n' | b'\t') => {
                self.at += 1;
                self.quoted(mark, Quote::Single, false);
                Token::Parameter("")
            }
            // `:name`; a colon behind a word is that of a key.
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'1'..=b'9'
                if matches!(self.before(1), b' ' | b'(' | b'=' | b',' | b'\n') =>
            {
                let name =
                    self.bytes[self.at + 1..].iter().take(64).take_while(|b| b.is_ascii_alphanumeric() || **b == b'_');
                let length = 1 + name.count();
                self.take(length, Token::Parameter(self.slice(self.at, self.at + length)))
            }
            _ => self.take(1, Token::Op(Op::Colon)),
        }
    }

    /// Signs of more than one byte; everything else is [`Token::Other`].
    fn sign(&mut self) -> Token<'a> {
        let (length, token) = match (self.byte(0), self.byte(1), self.byte(2)) {
            (b'=', b'>', _) => (2, Token::Op(Op::Arrow)),
            (b'=', b'=', b'=') => (3, Token::Op(Op::Assign)),
            (b'=', b'=', _) => (2, Token::Op(Op::Assign)),
            (b'=', ..) => (1, Token::Op(Op::Assign)),
            (b'<', b'=', b'>') => (3, Token::Op(Op::Compare)),
            (b'!', b'=', b'=') => (3, Token::Op(Op::Compare)),
            (b'<', b'>', _) | (b'!', b'=', _) => (2, Token::Op(Op::Compare)),
            (b'-' | b'#', b'>', b'>') => (3, Token::Op(Op::Path)),
            (b'-' | b'#', b'>', _) => (2, Token::Op(Op::Path)),
            (b'?', ..) | (b'%', b's', _) => (if self.byte(0) == b'?' { 1 } else { 2 }, Token::Parameter("?")),
            _ => (1, Token::Other),
        };
        self.take(length, token)
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        if std::mem::take(&mut self.body_starts) {
            return Some(Token::End);
        }
        while self.byte(0).is_ascii_whitespace() {
            self.at += 1;
        }
        let byte = *self.bytes.get(self.at)?;
        Some(match byte {
            b'\'' if self.is_apostrophe() => self.take(1, Token::Other),
            b'\'' => self.quoted(byte, Quote::Single, false),
            b'"' => self.quoted(byte, Quote::Double, false),
            b'`' => self.quoted(byte, Quote::Back, false),
            b'$' => self.dollar(),
            b'-' if self.byte(1) == b'-' => self.comment(2),
            b'#' if self.before(1).is_ascii_whitespace() && !matches!(self.byte(1), b'>' | b'-' | b'{') => {
                self.comment(1)
            }
            b'/' if self.byte(1) == b'*' => self.block(),
            b'/' if self.byte(1) == b'/' && self.before(1) != b':' => self.comment(2),
            b'*' if self.byte(1) == b'/' => self.take(2, Token::Comment("")),
            b'0'..=b'9' => self.number(),
            b':' => self.colon(),
            b'(' | b'[' | b'{' => self.take(1, Token::Open(byte)),
            b')' | b']' | b'}' => self.take(1, Token::Close),
            b',' => self.take(1, Token::Comma),
            b';' => self.take(1, Token::End),
            b'.' => self.take(1, Token::Dot),
            0xE2 => self.curly().unwrap_or_else(|| self.word()),
            b'_' | b'@' | b'A'..=b'Z' | b'a'..=b'z' | 0x80.. => self.word(),
            _ => self.sign(),
        })
    }
}
