//! The first pass: all keywords of all rules, in one search.

use std::{ops::Range, sync::LazyLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, Match};

use crate::budget::Budget;
use crate::rules::{KEYWORDS, Keyword, KeywordGroups};

/// Built on first use.
static AUTOMATON: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::DFA))
        .build(KEYWORDS.iter().map(|keyword| keyword.text))
        .expect("the keywords are few and short")
});

/// All keywords in a text, in the order of their positions.
pub(crate) struct Hits(Vec<(u32, u16)>);

impl Hits {
    /// Looks for the keywords in `text`: all of them, or as many as `budget` pays for.
    pub(crate) fn find(text: &str, budget: &Budget) -> Self {
        // Texts are far shorter than 4 GB, and keywords fewer than 65,536.
        let hit = |found: Match| (found.start() as u32, found.pattern().as_u32() as u16);
        let mut found = AUTOMATON.find_overlapping_iter(Input::new(text)).map(hit);
        let mut hits: Vec<_> = found.by_ref().take(budget.most_keywords()).collect();
        if found.next().is_some() {
            budget.exhaust();
        }
        // They are found in the order of their ends.
        hits.sort_unstable();
        Self(hits)
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// What the hits wake.
    pub(super) fn groups(&self, range: Range<usize>) -> KeywordGroups {
        self.iter(range).fold(KeywordGroups::default(), |all, (_, keyword)| KeywordGroups(all.0 | keyword.wakes.0))
    }

    /// The hits that begin between two positions.
    pub(super) fn between(&self, positions: Range<usize>) -> Range<usize> {
        let first = |position: usize| self.0.partition_point(|(at, _)| (*at as usize) < position);
        first(positions.start)..first(positions.end)
    }

    pub(super) fn iter(&self, range: Range<usize>) -> impl Iterator<Item = (usize, &'static Keyword)> {
        self.0[range].iter().map(|(at, keyword)| (*at as usize, &KEYWORDS[usize::from(*keyword)]))
    }
}

/// Whether a word in `text` could name a secret.
pub(crate) fn has_name(text: &str) -> bool {
    AUTOMATON
        .find_overlapping_iter(Input::new(text))
        .any(|found| KEYWORDS[found.pattern().as_usize()].wakes.has(KeywordGroups::NAMES))
}
