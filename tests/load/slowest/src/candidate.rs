use std::collections::BTreeSet;
use std::fmt::{Display, Formatter, Result};

use fastrand::Rng;

use crate::dictionary::{Dictionary, any};

/// Maximum length of a unit in bytes, and maximum number of tokens of a new unit and of runs of a new candidate.
const MAX_UNIT: usize = 200;
const NEW_TOKENS: usize = 5;
const NEW_RUNS: usize = 3;

/// Shares that runs get.
const SHARES: [usize; 4] = [0, 0, 1, 3];

/// Tokens of the dictionary.
type Unit = Vec<String>;

/// A unit again and again.
#[derive(Clone)]
struct Run {
    unit: Unit,
    /// Weight of its part of the text; with 0 the unit stands there once, such as an opening quote.
    share: usize,
}

/// A text that may be slow to scan: a sequence of runs.
#[derive(Clone)]
pub(crate) struct Candidate(Vec<Run>);

impl Candidate {
    pub(crate) fn random(dictionary: &Dictionary, rng: &mut Rng) -> Self {
        let mut run = || {
            let unit = (0..rng.usize(1..=NEW_TOKENS)).map(|_| dictionary.token(rng)).collect();
            Run { unit, share: any(&SHARES, rng) }
        };
        let mut runs = vec![run(), run(), run()];
        runs.truncate(rng.usize(1..=NEW_RUNS));
        Self::within_limits(runs)
    }

    /// A copy with a few changes, for which runs of `other` may be used.
    pub(crate) fn changed(&self, other: &Self, dictionary: &Dictionary, rng: &mut Rng) -> Self {
        let mut runs = self.0.clone();
        for _ in 0..rng.usize(1..=3) {
            let at = rng.usize(..runs.len());
            let of_other = any(&other.0, rng);
            match rng.u8(..8) {
                0 => runs[at].share = any(&SHARES, rng),
                1 => runs.insert(at, of_other),
                2 if runs.len() > 1 => drop(runs.remove(at)),
                _ => edit(&mut runs[at].unit, &of_other.unit, dictionary, rng),
            }
        }
        Self::within_limits(runs)
    }

    /// Cuts units that are too long, removes empty ones, and gives the text a run that fills it.
    fn within_limits(mut runs: Vec<Run>) -> Self {
        for run in &mut runs {
            while run.unit.concat().len() > MAX_UNIT {
                run.unit.pop();
            }
        }
        runs.retain(|run| !run.unit.is_empty());
        if runs.iter().all(|run| run.share == 0) {
            runs.push(Run { unit: vec![" ".to_owned()], share: 1 });
        }
        Self(runs)
    }

    /// The text, about `length` bytes long.
    pub(crate) fn text(&self, length: usize) -> String {
        let (mut text, mut share) = (String::new(), 0);
        let shares: usize = self.0.iter().map(|run| run.share).sum();
        for run in &self.0 {
            let unit = run.unit.concat();
            text.push_str(&unit);
            share += run.share;
            while run.share > 0 && text.len() < length * share / shares {
                text.push_str(&unit);
            }
        }
        text
    }

    /// Length of all units in bytes.
    pub(crate) fn size(&self) -> usize {
        self.0.iter().map(|run| run.unit.concat().len()).sum()
    }

    /// Whether at least half of the words are the same.
    pub(crate) fn resembles(&self, other: &Self) -> bool {
        let (own, others) = (self.words(), other.words());
        own == others || own.intersection(&others).count() * 2 >= own.len().min(others.len()).max(1)
    }

    /// The tokens with letters that are repeated; case does not matter.
    fn words(&self) -> BTreeSet<String> {
        let tokens = self.0.iter().filter(|run| run.share > 0).flat_map(|run| &run.unit);
        let is_word = |token: &&String| token.chars().filter(|c| c.is_alphabetic()).count() > 1;
        tokens.filter(is_word).map(|token| token.to_lowercase()).collect()
    }
}

impl Display for Candidate {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for (index, Run { unit, share }) in self.0.iter().enumerate() {
            let plus = if index > 0 { " + " } else { "" };
            match share {
                0 => write!(f, "{plus}{:?}", unit.concat())?,
                _ => write!(f, "{plus}{share}·{:?}", unit.concat())?,
            }
        }
        Ok(())
    }
}

/// Replaces, inserts, deletes, duplicates or capitalises tokens, or takes them from `other`.
fn edit(unit: &mut Unit, other: &Unit, dictionary: &Dictionary, rng: &mut Rng) {
    let start = rng.usize(..=unit.len());
    let end = rng.usize(start..=unit.len());
    let part = &unit[start..end];
    let new = match rng.u8(..8) {
        0 => Vec::new(),
        1 => [part, part].concat(),
        2 => part.iter().map(|token| token.to_uppercase()).collect(),
        3 => other[rng.usize(..other.len())..].to_vec(),
        _ => vec![dictionary.token(rng)],
    };
    unit.splice(start..end, new);
}
