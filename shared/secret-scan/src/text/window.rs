//! Bounded looks around a position, so that a search stays linear however many words there are to look at.

/// How far a word, a name or a value is followed, in bytes.
pub(crate) const WINDOW: usize = 200;

/// The last `limit` bytes of `text`, or up to three fewer.
pub(crate) fn tail(text: &str, limit: usize) -> &str {
    let mut start = text.len().saturating_sub(limit);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

/// The first `limit` bytes of `text`, or up to three fewer.
pub(crate) fn head(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The beginning of the line that goes on after `text`.
pub(crate) fn line_before(text: &str) -> &str {
    let tail = tail(text, WINDOW);
    tail.rsplit('\n').next().unwrap_or(tail)
}

/// Start and end of the word around a position, at most [`WINDOW`] bytes each way.
pub(crate) fn word_around(text: &str, at: usize) -> (usize, usize) {
    let bytes = text.as_bytes();
    let is_word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.') || *b >= 0x80;
    let mut start = at - bytes[..at].iter().rev().take(WINDOW).take_while(|b| is_word(b)).count();
    let mut end = at + bytes[at..].iter().take(WINDOW).take_while(|b| is_word(b)).count();
    while !text.is_char_boundary(start) {
        start += 1;
    }
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    (start, end.max(start))
}

/// The word before some white space at the end of `text`.
pub(crate) fn last_word(text: &str) -> Option<&str> {
    let before = text.trim_end_matches([' ', '\t', '\n']);
    let spaces = text.len() - before.len();
    if !(1..=8).contains(&spaces) {
        return None;
    }
    let (from, to) = word_around(before, before.len());
    Some(&before[from..to]).filter(|word| !word.is_empty())
}

/// The text behind spaces.
pub(crate) fn skip_spaces(text: &str) -> &str {
    let spaces = text.bytes().take(16).take_while(|b| matches!(b, b' ' | b'\t')).count();
    &text[spaces..]
}
