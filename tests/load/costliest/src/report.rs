use std::time::Duration;

use tests::cost::{Json, Packing, Recipe};

use crate::population::{Costly, kind};
use crate::search::Search;

/// Share of the cost that a simpler request must keep.
const KEPT: f64 = 0.9;

/// Maximum length of a printed recipe, in characters.
const MAX_CHARS: usize = 1_000;

impl Search {
    /// Prints the costliest request of every route, and the costliest of each further kind that breaks the rule. Returns
    /// whether no request breaks it.
    pub(crate) async fn report(&mut self) -> bool {
        let mut passes = true;
        println!(
            "{:>10} {:>10} {:>10} {:>6} {:<6} route, kind: request",
            "CPU ms", "sent", "inflated", "status", "rule"
        );
        for place in 0..self.populations.len() {
            let (route, costliest) = (self.populations[place].route.clone(), self.populations[place].costliest.clone());
            let (bound, mut printed) = (self.bounds.of(&route), Vec::new());
            for (rank, costly) in costliest.into_iter().enumerate() {
                if rank > 0 && costly.measured.cpu <= bound {
                    break;
                }
                let costly = self.simplified(costly).await;
                passes &= costly.measured.cpu <= bound;
                let kind = kind(&costly.recipe);
                if !printed.contains(&kind) {
                    self.print(&costly, &kind, bound);
                    printed.push(kind);
                }
            }
        }
        passes
    }

    fn print(&self, costly: &Costly, kind: &str, bound: Duration) {
        let Costly { recipe, measured, .. } = costly;
        let Some(prepared) = recipe.prepare(&self.stage.live) else { return };
        let text = serde_json::to_string(recipe).expect("a recipe is JSON").chars().take(MAX_CHARS).collect::<String>();
        println!(
            "{:>10.1} {:>10} {:>10} {:>6} {:<6} {}, {kind}: {text}",
            measured.cpu.as_secs_f64() * 1e3,
            prepared.request.body.len(),
            prepared.content_bytes,
            measured.status,
            if measured.cpu > bound { "FAIL" } else { "PASS" },
            recipe.route,
        );
    }

    /// Removes the headers, parameters and fields that do not add to the cost, the first ones first.
    async fn simplified(&mut self, mut costly: Costly) -> Costly {
        let (full, mut place) = (costly.measured.cpu, 0);
        while let Some(simpler) = without(&costly.recipe, place) {
            let measured = self.stage.lowest_cost(&simpler, Duration::ZERO).await;
            match measured.filter(|measured| measured.cpu >= full.mul_f64(KEPT)) {
                Some(measured) => costly = Costly { recipe: simpler, measured, ..costly },
                None => place += 1,
            }
        }
        costly
    }
}

/// Returns `recipe` without its part at `place`: a header, a parameter, a field of the body, or the compression.
fn without(recipe: &Recipe, mut place: usize) -> Option<Recipe> {
    let mut simpler = recipe.clone();
    let pairs = if place < recipe.headers.len() { &mut simpler.headers } else { &mut simpler.query };
    place -= if place < recipe.headers.len() { 0 } else { recipe.headers.len() };
    if place < pairs.len() {
        pairs.remove(place);
        return Some(simpler);
    }
    place -= recipe.query.len();
    if let Some(Json::Object(fields)) = &mut simpler.body {
        if place < fields.len() {
            fields.remove(place);
            return Some(simpler);
        }
        place -= fields.len();
    }
    if place == 0 && simpler.packing != Packing::default() {
        simpler.packing = Packing::default();
        return Some(simpler);
    }
    None
}
