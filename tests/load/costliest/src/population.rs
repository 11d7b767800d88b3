use std::time::Duration;

use fastrand::Rng;
use tests::cost::{Json, Measured, Recipe, Text};

/// Number of recipes kept per route.
const SIZE: usize = 12;

/// A recipe with its cost.
#[derive(Clone)]
pub(crate) struct Costly {
    pub(crate) recipe: Recipe,
    pub(crate) measured: Measured,
    /// What makes it costly, as far as its form shows: of those that look alike only the costliest is kept.
    pub(crate) kind: String,
}

/// The costliest requests of one route that differ in kind, the costliest first.
pub(crate) struct Population {
    pub(crate) route: String,
    /// Valid requests, from which the search starts.
    pub(crate) examples: Vec<Recipe>,
    pub(crate) costliest: Vec<Costly>,
}

impl Population {
    /// The cost that a request of this kind must exceed to be admitted.
    pub(crate) fn threshold(&self, kind: &str) -> Duration {
        let alike = self.costliest.iter().find(|kept| kept.kind == kind);
        alike.or(self.costliest.get(SIZE - 1)).map_or(Duration::ZERO, |kept| kept.measured.cpu)
    }

    pub(crate) fn admit(&mut self, costly: Costly) {
        self.costliest.retain(|kept| kept.kind != costly.kind);
        let place = self.costliest.partition_point(|kept| kept.measured.cpu > costly.measured.cpu);
        self.costliest.insert(place, costly);
        self.costliest.truncate(SIZE);
    }

    /// A valid request, or one of the costliest.
    pub(crate) fn any(&self, rng: &mut Rng) -> Recipe {
        let costliest = self.costliest.iter().map(|costly| &costly.recipe);
        let all: Vec<&Recipe> = self.examples.iter().chain(costliest).collect();
        all[rng.usize(..all.len())].clone()
    }
}

/// Names what is probably costly about `recipe`: the filler or the number of parts of its compression, otherwise the largest
/// value of its body, its query and its headers.
pub(crate) fn kind(recipe: &Recipe) -> String {
    let packing = &recipe.packing;
    let has_body = recipe.body.is_some();
    match packing.filler {
        Some((filler, count)) if has_body && count > 1_000 && filler.format() == packing.format => {
            return format!("{filler:?}");
        }
        _ if has_body && packing.parts > 500 => return format!("parts in {:?}", packing.format),
        _ => {}
    }
    let mut largest = ("small".to_owned(), 2_000);
    let mut consider = |name: &str, what: String, bytes: usize| {
        if bytes > largest.1 {
            largest = (format!("{name} {what}"), bytes);
        }
    };
    for (name, text, count) in recipe.headers.iter().chain(&recipe.query) {
        consider(name, unit(text), text.len().saturating_mul(*count));
    }
    if let Some(body) = &recipe.body {
        visit("", body, &mut consider);
    }
    largest.0
}

/// Calls `consider` with the path, the kind and the size of each part of `json` that has none.
fn visit(path: &str, json: &Json, consider: &mut impl FnMut(&str, String, usize)) {
    match json {
        Json::Object(fields) => {
            fields.iter().for_each(|(name, value)| visit(&format!("{path}.{name}"), value, consider));
        }
        Json::Array(parts) => {
            for (part, count) in parts {
                consider(path, "elements".to_owned(), count.saturating_mul(part.len()));
                visit(&format!("{path}[]"), part, consider);
            }
        }
        Json::Text(text) => consider(path, unit(text), json.len()),
        Json::Escaped(_) => consider(path, "escaped".to_owned(), json.len()),
        Json::Literal(_) => consider(path, "literal".to_owned(), json.len()),
        Json::Fields(..) => consider(path, "many fields".to_owned(), json.len()),
        Json::Same(..) => consider(path, "repeated fields".to_owned(), json.len()),
        Json::Nested(..) => consider(path, "nested".to_owned(), json.len()),
    }
}

/// The piece that fills most of `text`.
fn unit(text: &Text) -> String {
    let longest = text.0.iter().max_by_key(|(piece, count)| piece.len().saturating_mul(*count));
    longest.map_or_else(String::new, |(piece, _)| format!("{piece:?}"))
}
