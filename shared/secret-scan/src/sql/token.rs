//! Tokens of statements.

/// What a quoted text is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quote {
    /// `'…'`, `$$…$$`, `‘…’`: a string in every dialect.
    Single,
    /// `"…"`: a string in MySQL and JavaScript, a name elsewhere.
    Double,
    /// A backtick: a name in MySQL, a string in JavaScript.
    Back,
}

/// Signs that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    /// `=`, `==`, `:=`
    Assign,
    /// `<>`, `!=`, `<=>`
    Compare,
    /// `:`
    Colon,
    /// `=>`
    Arrow,
    /// `->`, `->>`, `#>`, `#>>`
    Path,
    /// `::`
    Cast,
}

/// A token; texts are raw, with their escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A keyword or name, with a leading `@` or `$` if it has one.
    Word(&'a str),
    /// A quoted text without its quotes.
    Quoted(&'a str, Quote),
    /// A number.
    Number(&'a str),
    /// `$1`, `?`, `:'variable'`
    Parameter(&'a str),
    /// See [`Op`].
    Op(Op),
    /// An opening bracket of any kind.
    Open(u8),
    /// A closing bracket of any kind.
    Close,
    /// `,`
    Comma,
    /// `;`, and the start of a dollar-quoted body
    End,
    /// `.`
    Dot,
    /// The text of a comment.
    Comment(&'a str),
    /// Anything else.
    Other,
}

/// Whether `word` is one of `list`, which is in lower case.
pub(super) fn is_any(word: &str, list: &[&str]) -> bool {
    list.iter().any(|known| word.eq_ignore_ascii_case(known))
}
