use serde_json::Value;
use tests::cost::{Json, Recipe, Text};

/// Route of the service whose costs may be those of an upload.
pub(crate) const UPLOAD: &str = "post /api/sync/upload";

/// Returns valid requests of every route in `document`, made of its examples.
pub(crate) fn examples(document: &Value) -> Vec<Recipe> {
    let mut recipes = Vec::new();
    for (path, operations) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in operations.as_object().into_iter().flatten() {
            recipes.extend(examples_of(&format!("{method} {path}"), operation));
        }
    }
    recipes
}

fn examples_of(route: &str, operation: &Value) -> Vec<Recipe> {
    let mut recipe = Recipe::new(route);
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let example = match &parameter["example"] {
            Value::String(text) => Text::of(text),
            Value::Null => Text::of("saved_query"),
            other => Text::of(&other.to_string()),
        };
        match (parameter["in"].as_str(), parameter["name"].as_str()) {
            (Some("path"), _) => recipe.id = Some(known_id(route)),
            (_, Some(name)) => recipe.query.push((name.to_owned(), example, 1)),
            _ => {}
        }
    }
    let content = &operation["requestBody"]["content"]["application/json"];
    let several = content["examples"].as_object().into_iter().flatten().map(|(_, example)| &example["value"]);
    let bodies: Vec<&Value> = content.get("example").into_iter().chain(several).collect();
    if bodies.is_empty() {
        return vec![recipe];
    }
    let with = |body: &Value| Recipe { body: Some(with_known_values(&Json::from(body))), ..recipe.clone() };
    bodies.into_iter().map(with).collect()
}

/// The id of something that the account has.
fn known_id(route: &str) -> Text {
    Text::of(if route.contains("conflicts") { "$conflict" } else { "$session" })
}

/// Replaces values of the examples by those of the account, and ids of several things by different ones.
fn with_known_values(body: &Json) -> Json {
    let Json::Object(fields) = body else { return body.clone() };
    let known = |name: &str, value: &Json| match (name, value) {
        ("password" | "current_password", _) => Json::Text(Text::of("$password")),
        ("refresh_token", _) => Json::Text(Text::of("$refresh")),
        ("item_id", _) => Json::Text(Text::of("$versioned")),
        ("expected_version", _) => Json::Literal(Text::of("$version")),
        (_, Json::Array(parts)) => {
            Json::Array(parts.iter().map(|(part, count)| (with_different_ids(part), *count)).collect())
        }
        _ => value.clone(),
    };
    // The account is at a later revision of the conflict than the example.
    let kept = fields.iter().filter(|(name, _)| name != "revision");
    Json::Object(kept.map(|(name, value)| (name.clone(), known(name, value))).collect())
}

fn with_different_ids(part: &Json) -> Json {
    let Json::Object(fields) = part else { return part.clone() };
    let id = |name: &str, value: &Json| match name {
        "id" | "item_id" => Json::Text(Text::of("$n")),
        _ => value.clone(),
    };
    // The checksum of the example is that of its data.
    let kept = fields.iter().filter(|(name, _)| name != "checksum");
    Json::Object(kept.map(|(name, value)| (name.clone(), id(name, value))).collect())
}
