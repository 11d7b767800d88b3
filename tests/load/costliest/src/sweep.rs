use tests::cost::{Filler, Json, Packing, Recipe, Text};

use crate::dictionary::{UNITS, max_body};

/// Part of the largest size that hostile values have at first: enough to see which are costly, in a fraction of the time.
pub(crate) const PART: usize = 16;

/// Returns requests that differ from `example` in one hostile value or in a hostile compression.
pub(crate) fn variants(example: &Recipe) -> Vec<Recipe> {
    let most = max_body(&example.route) / PART;
    let mut variants = Vec::new();
    for place in 0..example.query.len() {
        for unit in UNITS {
            let mut recipe = example.clone();
            recipe.query[place].1 = Text::repeat(unit, 20_000 / unit.len());
            variants.push(recipe);
        }
    }
    let Some(body) = &example.body else { return variants };
    let texts = UNITS.iter().map(|unit| Json::Text(Text::repeat(unit, most / unit.len())));
    for value in texts.chain(structures(most)) {
        for body in with_each_leaf(body, &value) {
            variants.push(Recipe { body: Some(body), ..example.clone() });
        }
    }
    for filler in Filler::ALL {
        let packing = Packing {
            format: filler.format(),
            parts: 1,
            filler: Some((filler, filler.fitting(most))),
            ..Packing::default()
        };
        variants.push(Recipe { packing, ..example.clone() });
    }
    variants
}

/// Returns `recipe` with all repetitions of its body as often as fit, or nothing if there are none.
pub(crate) fn grown(recipe: &Recipe) -> Option<Recipe> {
    let most = max_body(&recipe.route);
    let mut grown = recipe.clone();
    if let Some((filler, count)) = &mut grown.packing.filler {
        *count = filler.fitting(most);
        return Some(grown);
    }
    let body = grown.body.as_mut()?;
    let factor = most / body.len().max(1);
    scale(body, factor);
    (factor > 1 && body.len() <= most).then_some(grown)
}

/// Values that are costly by their structure, of about `most` bytes.
fn structures(most: usize) -> [Json; 6] {
    let one = || Json::Literal(Text::of("1"));
    let object = |fields| Json::Object(vec![("*".to_owned(), fields)]);
    [
        Json::Escaped(Text::repeat("a", most / 6)),
        Json::Literal(Text::repeat("9", most)),
        Json::Array(vec![(one(), most / 2)]),
        Json::Array(vec![(Json::Array(Vec::new()), most / 3)]),
        object(Json::Fields(Box::new(one()), most / 10)),
        object(Json::Same(Box::new(one()), most / 6)),
    ]
}

/// Returns copies of `json`, in each of which another leaf is replaced by `value`.
fn with_each_leaf(json: &Json, value: &Json) -> Vec<Json> {
    let mut copies = Vec::new();
    match json {
        Json::Object(fields) if !fields.is_empty() => {
            for (place, (_, field)) in fields.iter().enumerate() {
                for replaced in with_each_leaf(field, value) {
                    let mut fields = fields.clone();
                    fields[place].1 = replaced;
                    copies.push(Json::Object(fields));
                }
            }
        }
        Json::Array(parts) if !parts.is_empty() => {
            for (place, (part, _)) in parts.iter().enumerate() {
                for replaced in with_each_leaf(part, value) {
                    let mut parts = parts.clone();
                    parts[place].0 = replaced;
                    copies.push(Json::Array(parts));
                }
            }
        }
        _ => copies.push(value.clone()),
    }
    copies
}

/// Multiplies the repetitions in `json`.
fn scale(json: &mut Json, factor: usize) {
    match json {
        Json::Text(text) | Json::Escaped(text) | Json::Literal(text) => {
            text.0.iter_mut().filter(|(_, count)| *count > 1).for_each(|(_, count)| *count *= factor);
        }
        Json::Array(parts) => {
            for (part, count) in parts {
                if *count > 1 { *count *= factor } else { scale(part, factor) }
            }
        }
        Json::Object(fields) => fields.iter_mut().for_each(|(_, value)| scale(value, factor)),
        Json::Fields(_, count) | Json::Same(_, count) => *count *= factor,
        Json::Nested(..) => {}
    }
}
