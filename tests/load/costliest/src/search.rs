use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::Value;
use tests::cost::{Json, Recipe, Stage};

use crate::dictionary::{Dictionary, max_body};
use crate::mutation::mutated;
use crate::population::{Costly, Population, kind};
use crate::routes::{UPLOAD, examples};
use crate::sweep::{PART, grown, variants as variants_of};

/// Maximum processor time of a request: of an upload, and of any other.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) upload: Duration,
    pub(crate) other: Duration,
}

impl Bounds {
    pub(crate) fn of(&self, route: &str) -> Duration {
        if route == UPLOAD { self.upload } else { self.other }
    }
}

/// Interval between lines that tell the progress.
const PROGRESS: Duration = Duration::from_secs(30);

/// Search for the costliest requests of every route.
pub(crate) struct Search {
    pub(crate) stage: Stage,
    pub(crate) populations: Vec<Population>,
    pub(crate) bounds: Bounds,
    dictionary: Dictionary,
    rng: Rng,
    tried: usize,
}

impl Search {
    pub(crate) fn new(stage: Stage, document: &Value, bounds: Bounds, seed: u64) -> Self {
        let mut by_route: BTreeMap<String, Vec<Recipe>> = BTreeMap::new();
        for recipe in examples(document) {
            by_route.entry(recipe.route.clone()).or_default().push(recipe);
        }
        let population = |(route, examples)| Population { route, examples, costliest: Vec::new() };
        let dictionary = Dictionary::new(document, &stage.live);
        let populations = by_route.into_iter().map(population).collect();
        Self { stage, populations, bounds, dictionary, rng: Rng::with_seed(seed), tried: 0 }
    }

    /// Searches for `limit`, and returns the number of requests tried.
    pub(crate) async fn run(&mut self, limit: Duration) -> usize {
        for place in 0..self.populations.len() {
            for example in self.populations[place].examples.clone() {
                self.try_recipe(place, example).await;
            }
        }
        let (start, mut next) = (Instant::now(), PROGRESS);
        let mut variants = self.variants();
        while start.elapsed() < limit {
            match variants.pop() {
                Some((place, variant)) => self.try_variant(place, variant).await,
                None => self.try_mutation().await,
            }
            if start.elapsed() > next {
                next += PROGRESS;
                self.print_progress(start.elapsed());
            }
        }
        self.tried
    }

    /// Returns the requests with one hostile value, in random order.
    fn variants(&mut self) -> Vec<(usize, Recipe)> {
        let mut variants = Vec::new();
        for (place, population) in self.populations.iter().enumerate() {
            variants.extend(population.examples.iter().flat_map(variants_of).map(|variant| (place, variant)));
        }
        self.rng.shuffle(&mut variants);
        variants
    }

    /// Measures a request with a small hostile value, and one with a large value if that may break the rule.
    async fn try_variant(&mut self, place: usize, variant: Recipe) {
        let enough = self.bounds.of(&variant.route) / (2 * PART as u32);
        let large = grown(&variant);
        if self.try_recipe(place, variant).await.is_some_and(|cost| cost > enough)
            && let Some(large) = large
        {
            self.measure(place, large).await;
        }
    }

    async fn try_mutation(&mut self) {
        let place = self.choose_route();
        let one = self.populations[place].any(&mut self.rng);
        let other = self.rng.usize(..self.populations.len());
        let other = self.populations[if self.rng.bool() { place } else { other }].any(&mut self.rng);
        let candidate = mutated(&one, &other, &self.dictionary, &mut self.rng);
        self.try_recipe(place, candidate).await;
    }

    /// Returns a route at random, more often one whose requests can differ in more.
    fn choose_route(&mut self) -> usize {
        loop {
            let place = self.rng.usize(..self.populations.len());
            let example = &self.populations[place].examples[0];
            let weight = match &example.body {
                Some(body) if body.len() > 100 => 20,
                Some(_) => 6,
                None if !example.query.is_empty() => 6,
                None => 1,
            };
            if self.rng.u8(..20) < weight {
                return place;
            }
        }
    }

    /// Measures a request, unless it is too large. Most requests of a kind that has broken the rule are not measured, because
    /// they take long and show nothing new.
    async fn try_recipe(&mut self, place: usize, recipe: Recipe) -> Option<Duration> {
        let kind = kind(&recipe);
        let population = &self.populations[place];
        let (threshold, bound) = (population.threshold(&kind), self.bounds.of(&population.route));
        let is_known = threshold > bound && population.costliest.iter().any(|kept| kept.kind == kind);
        let most = max_body(&population.route) + 1_000;
        let is_overfilled = recipe.packing.filler.is_some_and(|(filler, count)| count > filler.fitting(most));
        let is_too_large = is_overfilled || recipe.body.as_ref().map_or(0, Json::len) > most;
        if is_too_large || (is_known && self.rng.u8(..20) > 0) {
            return None;
        }
        self.measure(place, recipe).await
    }

    /// Measures a request, keeps it if it is among the costliest, and returns its cost.
    async fn measure(&mut self, place: usize, recipe: Recipe) -> Option<Duration> {
        let kind = kind(&recipe);
        let threshold = self.populations[place].threshold(&kind);
        self.tried += 1;
        let measured = self.stage.lowest_cost(&recipe, threshold.mul_f64(1.02)).await?;
        if measured.cpu > threshold {
            self.populations[place].admit(Costly { recipe, measured, kind });
        }
        Some(measured.cpu)
    }

    fn print_progress(&self, elapsed: Duration) {
        let costliest = |population: &Population| population.costliest.first().map(|costly| costly.measured.cpu);
        let is_broken = |population: &&Population| costliest(population) > Some(self.bounds.of(&population.route));
        let broken = self.populations.iter().filter(is_broken).count();
        println!("{:>5} s: {} requests, {broken} routes break the rule", elapsed.as_secs(), self.tried);
    }
}
