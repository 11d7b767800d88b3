use fastrand::Rng;
use tests::cost::{Json, Recipe, Text};

use crate::dictionary::{Dictionary, MAX_PARTS, any, magnitude, max_body};

/// Returns a copy of `recipe` with a few changes, for which parts of `other` may be used.
pub(crate) fn mutated(recipe: &Recipe, other: &Recipe, dictionary: &Dictionary, rng: &mut Rng) -> Recipe {
    let mut recipe = recipe.clone();
    let most = max_body(&recipe.route);
    for _ in 0..rng.usize(1..=3) {
        match rng.u8(..16) {
            0 => change_pairs(&mut recipe.headers, Dictionary::header(rng), dictionary, rng),
            1 => change_pairs(&mut recipe.query, dictionary.name(rng), dictionary, rng),
            2 if recipe.id.is_some() => recipe.id = Some(dictionary.short_text(rng)),
            3 => recipe.headers.clone_from(&other.headers),
            4 => recipe.query.clone_from(&other.query),
            5 => scale_texts(&mut recipe, rng),
            6..=8 if recipe.body.is_some() => recipe.packing = Dictionary::packing(most, rng),
            9 if recipe.body.is_some() => recipe.packing = other.packing,
            10 if recipe.body.is_some() => scale_filler(&mut recipe, rng),
            11 if recipe.body.is_some() => recipe.body = other.body.clone().or(recipe.body),
            _ => match &mut recipe.body {
                Some(body) => change_json(body, most, dictionary, rng),
                None => change_pairs(&mut recipe.query, dictionary.name(rng), dictionary, rng),
            },
        }
    }
    recipe
}

/// Sets, adds or removes a header or a parameter.
fn change_pairs(pairs: &mut Vec<(String, Text, usize)>, name: String, dictionary: &Dictionary, rng: &mut Rng) {
    let place = rng.usize(..=pairs.len());
    match rng.u8(..4) {
        0 if place < pairs.len() => drop(pairs.remove(place)),
        1 if place < pairs.len() => {
            pairs[place].2 = magnitude(5_000, rng);
        }
        2 if place < pairs.len() => pairs[place].1 = dictionary.short_text(rng),
        _ => pairs.insert(place, (name, dictionary.short_text(rng), 1)),
    }
}

fn scale_texts(recipe: &mut Recipe, rng: &mut Rng) {
    let pairs = recipe.headers.iter_mut().chain(&mut recipe.query).map(|(_, text, _)| text);
    for text in pairs.chain(&mut recipe.id) {
        scale_text(text, rng);
    }
}

fn scale_text(text: &mut Text, rng: &mut Rng) {
    if text.0.is_empty() {
        return;
    }
    let place = rng.usize(..text.0.len());
    let count = &mut text.0[place].1;
    *count = scaled(*count, rng);
}

fn scaled(count: usize, rng: &mut Rng) -> usize {
    let factor = any(&[0.25, 0.5, 0.9, 1.1, 2.0, 4.0, 16.0], rng);
    ((count as f64 * factor) as usize).max(1)
}

fn scale_filler(recipe: &mut Recipe, rng: &mut Rng) {
    if let Some((_, count)) = &mut recipe.packing.filler {
        *count = scaled(*count, rng);
    }
    recipe.packing.parts = scaled(recipe.packing.parts, rng).min(MAX_PARTS);
}

/// Changes one place in `json`, which may get about `most` bytes. The place is found by walking down at random.
fn change_json(json: &mut Json, most: usize, dictionary: &Dictionary, rng: &mut Rng) {
    match json {
        Json::Object(fields) if rng.u8(..4) == 0 => {
            let place = rng.usize(..=fields.len());
            match rng.u8(..4) {
                0 if place < fields.len() => drop(fields.remove(place)),
                1 if place < fields.len() => fields.insert(place, fields[place].clone()),
                _ => fields.insert(place, (dictionary.name(rng), dictionary.json(most, rng))),
            }
        }
        Json::Object(fields) if !fields.is_empty() => {
            let place = rng.usize(..fields.len());
            change_json(&mut fields[place].1, most, dictionary, rng);
        }
        Json::Array(parts) if !parts.is_empty() => {
            let place = rng.usize(..parts.len());
            match rng.u8(..4) {
                0 => parts[place].1 = magnitude(most / (parts[place].0.len() + 1), rng),
                1 => parts[place].1 = any(&[1, 100, 4_999, 5_000], rng),
                2 => parts[place].1 = scaled(parts[place].1, rng),
                _ => {
                    let (part, count) = &mut parts[place];
                    change_json(part, most / *count, dictionary, rng);
                }
            }
        }
        Json::Fields(value, count) | Json::Same(value, count) => match rng.u8(..3) {
            0 => change_json(value, most / *count, dictionary, rng),
            _ => *count = scaled(*count, rng),
        },
        Json::Text(text) | Json::Escaped(text) | Json::Literal(text) if rng.bool() => scale_text(text, rng),
        other => *other = dictionary.json(most, rng),
    }
}
