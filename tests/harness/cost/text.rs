use serde::{Deserialize, Serialize};

use super::Live;

/// A text as a sequence of pieces, each of which is repeated. The piece `$n` is a number that is different each time; the other
/// pieces that start with `$` are [`Live`] values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Text(pub Vec<(String, usize)>);

impl Text {
    /// Returns the text `piece`.
    pub fn of(piece: &str) -> Self {
        Self::repeat(piece, 1)
    }

    /// Returns a text of `count` times `piece`.
    pub fn repeat(piece: &str, count: usize) -> Self {
        Self(vec![(piece.to_owned(), count)])
    }

    /// Number of bytes, if no piece is replaced.
    pub fn len(&self) -> usize {
        self.0.iter().map(|(piece, count)| piece.len().saturating_mul(*count)).sum()
    }

    /// Whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the text.
    pub fn render(&self, live: &Live, numbers: &mut usize) -> String {
        let mut text = String::new();
        for (piece, count) in &self.0 {
            if piece == "$n" {
                for _ in 0..*count {
                    *numbers += 1;
                    text.push_str(&numbers.to_string());
                }
            } else {
                text.push_str(&live.get(piece).unwrap_or(piece).repeat(*count));
            }
        }
        text
    }
}
