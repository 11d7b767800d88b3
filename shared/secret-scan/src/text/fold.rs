//! Reads characters that look like ASCII as ASCII: `ｐａｓｓｗｏｒｄ`, or `раssword` with two Cyrillic letters.

use crate::rules::LOOKALIKES;

/// Text with its lookalikes folded.
pub(crate) struct Folded {
    pub(crate) text: String,
    /// Positions in the folded text and in the original one, where the distance between them changes.
    anchors: Vec<(usize, usize)>,
}

impl Folded {
    /// Position in the original text of a position in the folded one.
    pub(crate) fn original(&self, at: usize) -> usize {
        let next = self.anchors.partition_point(|(folded, _)| *folded <= at);
        let Some((folded, original)) = next.checked_sub(1).map(|last| self.anchors[last]) else { return at };
        let end = self.anchors.get(next).map_or(usize::MAX, |(_, original)| *original);
        (original + (at - folded)).min(end)
    }

    fn push(&mut self, from: usize, text: &str, original: &str) {
        if text == original {
            return self.text.push_str(text);
        }
        self.anchors.push((self.text.len(), from));
        self.text.push_str(text);
        self.anchors.push((self.text.len(), from + original.len()));
    }
}

/// Folds `text`, or returns None if there is nothing to fold.
///
/// A word is folded only as a whole: `пароль` has letters that look like Latin ones, and others that do not.
pub(crate) fn fold(text: &str) -> Option<Folded> {
    if text.is_ascii() || !text.chars().any(|c| lookalike(c).is_some()) {
        return None;
    }
    let mut folded = Folded { text: String::with_capacity(text.len()), anchors: Vec::new() };
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
    (!folded.anchors.is_empty()).then_some(folded)
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
