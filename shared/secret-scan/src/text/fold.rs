//! Reads characters that look like ASCII as ASCII: `ｐａｓｓｗｏｒｄ`, or `раssword` with two Cyrillic letters.

use std::ops::Range;

use crate::rules::LOOKALIKES;

/// Text with its lookalikes folded.
pub(crate) struct Folded {
    pub(crate) text: String,
    /// The characters that were folded: where they are in the folded text and in the original one.
    changes: Vec<Change>,
}

/// Character that was folded: where it is in the folded text and in the original one. Texts are far shorter than 4 GB.
struct Change {
    folded: [u32; 2],
    original: [u32; 2],
}

impl Folded {
    /// The part of the original text that `folded` is made of.
    pub(crate) fn original(&self, folded: Range<usize>) -> Range<usize> {
        let (start, end) = (self.position(folded.start), self.position(folded.end));
        start.start..end.end
    }

    /// The position in the original text; the whole character if the position is inside of what it was folded to.
    fn position(&self, at: usize) -> Range<usize> {
        let next = self.changes.partition_point(|change| (change.folded[0] as usize) < at);
        let Some(change) = next.checked_sub(1).map(|last| &self.changes[last]) else { return at..at };
        let ([_, folded], [start, end]) = (change.folded, change.original.map(|at| at as usize));
        if at < folded as usize {
            return start..end;
        }
        let plain = end + (at - folded as usize);
        plain..plain
    }

    fn push(&mut self, from: usize, text: &str, original: &str) {
        let start = self.text.len();
        self.text.push_str(text);
        if text != original {
            let folded = [start as u32, self.text.len() as u32];
            self.changes.push(Change { folded, original: [from as u32, (from + original.len()) as u32] });
        }
    }
}

/// Folds `text`, or returns None if there is nothing to fold.
///
/// A word is folded only as a whole: `пароль` has letters that look like Latin ones, and others that do not.
pub(crate) fn fold(text: &str) -> Option<Folded> {
    let most = if text.is_ascii() { 0 } else { text.chars().filter(|c| lookalike(*c).is_some()).count() };
    if most == 0 {
        return None;
    }
    let mut folded = Folded { text: String::with_capacity(text.len()), changes: Vec::with_capacity(most) };
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let from = text.len() - rest.len();
        let length = if is_in_word(first) { word(rest) } else { first.len_utf8() };
        let (part, after) = rest.split_at(length);
        rest = after;
        if part.is_ascii() || !part.chars().all(|c| c.is_ascii() || lookalike(c).is_some()) {
            folded.text.push_str(part);
            continue;
        }
        for (at, c) in part.char_indices() {
            let original = &part[at..at + c.len_utf8()];
            folded.push(from + at, lookalike(c).unwrap_or(original), original);
        }
    }
    (!folded.changes.is_empty()).then_some(folded)
}

/// Length of the word at the start of `text`.
fn word(text: &str) -> usize {
    text.find(|c| !is_in_word(c)).unwrap_or(text.len())
}

/// Invisible characters do not end a word.
fn is_in_word(c: char) -> bool {
    c.is_alphanumeric() || lookalike(c) == Some("")
}

/// The ASCII text that `c` looks like, if it is not ASCII.
fn lookalike(c: char) -> Option<&'static str> {
    if c.is_ascii() { None } else { LOOKALIKES.get(&c).copied() }
}
