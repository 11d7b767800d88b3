use fastrand::Rng;

use crate::candidate::Candidate;

/// Number of candidates kept.
const SIZE: usize = 32;

/// By how much each byte of a unit lowers the score, so that few useless ones remain.
const PER_BYTE: f64 = 0.002;

/// Candidates with their scores, the highest first. Of those that resemble each other only the best is kept, so that
/// different reasons for being slow survive.
#[derive(Default)]
pub(crate) struct Population(Vec<(Candidate, f64)>);

impl Population {
    /// The cost that `candidate` must exceed to be admitted.
    pub(crate) fn threshold(&self, candidate: &Candidate) -> f64 {
        let best_alike = self.0.iter().find(|(kept, _)| kept.resembles(candidate));
        best_alike.or(self.0.get(SIZE - 1)).map_or(0.0, |(_, score)| score * handicap(candidate))
    }

    /// Keeps `candidate` instead of those that resemble it, or instead of the last.
    pub(crate) fn admit(&mut self, candidate: Candidate, cost: f64) {
        let score = cost / handicap(&candidate);
        self.0.retain(|(kept, _)| !kept.resembles(&candidate));
        let place = self.0.partition_point(|(_, other)| *other > score);
        self.0.insert(place, (candidate, score));
        self.0.truncate(SIZE);
    }

    /// A candidate at random, or none if the population is empty.
    pub(crate) fn any(&self, rng: &mut Rng) -> Option<&Candidate> {
        rng.choice(&self.0).map(|(candidate, _)| candidate)
    }

    pub(crate) fn candidates(&self) -> impl Iterator<Item = &Candidate> {
        self.0.iter().map(|(candidate, _)| candidate)
    }
}

/// Ratio of the cost of a candidate to its score.
fn handicap(candidate: &Candidate) -> f64 {
    1.0 + PER_BYTE * candidate.size() as f64
}
