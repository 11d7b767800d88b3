//! Texts as the detectors see them: with the keywords that a first pass has found in them, and bounded looks around a
//! position.

mod fold;
mod keywords;
mod window;

pub(crate) use fold::fold;
pub(crate) use keywords::{Hits, has_name};
pub(crate) use window::{WINDOW, head, last_word, line_before, skip_spaces, tail, word_around};

use std::ops::Range;

use crate::{
    budget::Budget,
    rules::{Keyword, KeywordGroups, RuleId},
};

/// Secret in a text: the rule that found it, and the value itself, a part of the text.
#[derive(Clone, Copy)]
pub(crate) struct Match<'t> {
    pub(crate) rule: RuleId,
    pub(crate) value: &'t str,
}

impl<'t> Match<'t> {
    pub(crate) const fn new(rule: RuleId, value: &'t str) -> Self {
        Self { rule, value }
    }
}

/// Keyword in a text.
#[derive(Clone, Copy)]
pub(crate) struct Hit {
    at: usize,
    keyword: &'static Keyword,
}

impl Hit {
    /// Position of the first byte.
    pub(crate) const fn at(self) -> usize {
        self.at
    }

    pub(crate) const fn keyword(self) -> &'static Keyword {
        self.keyword
    }
}

/// Text, and the keywords in it.
pub(crate) struct Text<'t> {
    pub(crate) all: &'t str,
    pub(crate) budget: &'t Budget,
    hits: &'t Hits,
    /// Where the text begins in the one that `hits` is of.
    offset: usize,
    /// The hits that begin in the text.
    range: Range<usize>,
    groups: KeywordGroups,
}

impl<'t> Text<'t> {
    /// The text that `hits` is of.
    pub(crate) fn new(all: &'t str, hits: &'t Hits, budget: &'t Budget) -> Self {
        Self { all, budget, hits, offset: 0, range: 0..hits.len(), groups: hits.groups(0..hits.len()) }
    }

    /// A part of the text as a text of its own.
    pub(crate) fn part(&self, part: &'t str) -> Self {
        let offset = self.offset + self.position(part);
        let range = self.hits.between(offset..offset + part.len());
        Self { all: part, budget: self.budget, hits: self.hits, offset, groups: self.hits.groups(range.clone()), range }
    }

    /// Whether a keyword of one of the groups is in the text.
    pub(crate) const fn has(&self, groups: KeywordGroups) -> bool {
        self.groups.has(groups)
    }

    /// Keywords of the groups, in the order of their positions.
    pub(crate) fn hits(&self, groups: KeywordGroups) -> impl Iterator<Item = Hit> {
        let end = self.offset + self.all.len();
        self.hits.iter(self.range.clone()).filter_map(move |(at, keyword)| {
            let wanted = keyword.wakes.has(groups) && at + keyword.text.len() <= end;
            wanted.then(|| Hit { at: at - self.offset, keyword })
        })
    }

    /// Position of `part`, which must be a part of the text. An empty one may be any empty text.
    pub(crate) fn position(&self, part: &str) -> usize {
        if part.is_empty() { 0 } else { part.as_ptr() as usize - self.all.as_ptr() as usize }
    }
}
