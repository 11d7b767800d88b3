//! What a search returns.

use std::{error::Error, fmt, ops::Range};

use crate::rules::Rule;

/// Credential that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Path of the value, such as `data.metadata.api_key` or `data.tags[2]`. `change` if it is the value that was searched, or
    /// if the name of a top-level field is itself the credential.
    pub path: String,
    /// The rule that found it.
    pub rule: &'static Rule,
    /// Position of the credential in the text at `path`. None if the value there is no text, or if the credential is the name
    /// of a field below `path`.
    pub span: Option<Span>,
}

impl fmt::Display for Finding {
    /// Never shows the credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.rule.sentence)
    }
}

/// Position in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// In bytes of UTF-8.
    pub bytes: Range<usize>,
    /// In UTF-16 code units, as JavaScript counts.
    pub utf16: Range<usize>,
}

impl Span {
    pub(crate) fn new(text: &str, bytes: Range<usize>) -> Self {
        let units = |text: &str| text.chars().map(char::len_utf16).sum::<usize>();
        let start = units(&text[..bytes.start]);
        let utf16 = start..start + units(&text[bytes.clone()]);
        Self { bytes, utf16 }
    }
}

/// A text has so many words that could name a credential that a search would take too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooDense {
    /// Path of the text, as in [`Finding`].
    pub path: String,
}

impl TooDense {
    /// Part of a sentence, to follow the path.
    pub const REASON: &'static str =
        "has too many words that could name a credential to be searched for one; shorten or split the text";
}

impl fmt::Display for TooDense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, Self::REASON)
    }
}

impl Error for TooDense {}
