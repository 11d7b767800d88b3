//! The examples of the OpenAPI document: every operation has them, and each is valid under its schema.

use jsonschema::Validator;
use serde_json::{Value, json};
use shared::models::limits;

use crate::document;

/// An example and the schema that it illustrates.
struct Example<'a> {
    place: String,
    schema: &'a Value,
    value: &'a Value,
}

/// All parts of the document that may have examples, with their path: media types, parameters and headers.
fn places(document: &Value) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    let mut open = vec![(String::new(), document)];
    while let Some((path, value)) = open.pop() {
        if value.get("schema").is_some() {
            found.push((path.clone(), value));
        }
        match value {
            Value::Object(fields) => open.extend(fields.iter().map(|(name, field)| (format!("{path}/{name}"), field))),
            Value::Array(items) => open.extend(items.iter().enumerate().map(|(i, item)| (format!("{path}/{i}"), item))),
            _ => {}
        }
    }
    found
}

fn examples(document: &Value) -> Vec<Example<'_>> {
    let mut examples = Vec::new();
    for (place, part) in places(document) {
        let named = part["examples"].as_object().into_iter().flatten().map(|(_, example)| &example["value"]);
        for value in part.get("example").into_iter().chain(named) {
            examples.push(Example { place: place.clone(), schema: &part["schema"], value });
        }
    }
    examples
}

fn validator(document: &Value, schema: &Value) -> Validator {
    let mut whole = schema.clone();
    whole["components"] = document["components"].clone();
    jsonschema::options().should_validate_formats(true).build(&whole).expect("a schema")
}

/// Why examples of `document` break their schemas.
fn broken(document: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    for example in examples(document) {
        let validator = validator(document, example.schema);
        broken.extend(validator.iter_errors(example.value).map(|error| format!("{}: {error}", example.place)));
    }
    broken
}

/// The bodies of `document` without an example: requests and responses in JSON.
fn without_example(document: &Value) -> Vec<String> {
    let bodies = places(document).into_iter().filter(|(place, _)| place.ends_with("/content/application/json"));
    let bare = bodies.filter(|(_, body)| body.get("example").is_none() && body.get("examples").is_none());
    bare.map(|(place, _)| place).collect()
}

#[test]
fn every_example_is_valid() {
    let document = document();
    assert!(examples(&document).len() > 60, "{}", examples(&document).len());
    assert_eq!(broken(&document), Vec::<String>::new());
}

#[test]
fn every_body_has_an_example() {
    assert_eq!(without_example(&document()), Vec::<String>::new());
}

// `tests/architecture` compares the limits of the fields of items.
#[test]
fn the_document_has_the_limits_that_the_server_enforces() {
    let document = document();
    let property = |schema: &str, name: &str| &document["components"]["schemas"][schema]["properties"][name];
    for (bound, limit) in [
        (&property("UploadRequest", "changes")["maxItems"], limits::UPLOAD_CHANGES),
        (&property("UploadResponse", "applied")["maxItems"], limits::UPLOAD_CHANGES),
        (&property("DownloadResponse", "connections")["maxItems"], limits::PAGE_ITEMS),
        (&property("ConflictList", "conflicts")["maxItems"], limits::PAGE_CONFLICTS),
        (&property("SessionList", "sessions")["maxItems"], limits::SESSIONS),
        (&property("SignupRequest", "username")["maxLength"], limits::USERNAME_CHARS),
        (&property("SignupRequest", "email")["maxLength"], limits::EMAIL_BYTES),
        (&property("SignupRequest", "password")["minLength"], limits::PASSWORD_MIN_CHARS),
        (&property("SignupRequest", "password")["maxLength"], limits::PASSWORD_MAX_CHARS),
        (&document["components"]["schemas"]["Tag"]["maxLength"], limits::TAG_CHARS),
        (&document["components"]["schemas"]["ItemId"]["maxLength"], limits::ID_CHARS),
        (&document["components"]["schemas"]["Compressed"]["maxLength"], limits::UPLOAD_BYTES),
    ] {
        assert_eq!(*bound, json!(limit));
    }
}

#[test]
fn seen_to_fail() {
    let mut document = document();
    let login = &mut document["paths"]["/api/auth/login"]["post"]["requestBody"]["content"]["application/json"];
    login["example"]["username"] = json!(7);
    assert_eq!(broken(&document).len(), 1);
    let login = &mut document["paths"]["/api/auth/login"]["post"]["requestBody"]["content"]["application/json"];
    drop(login.as_object_mut().expect("a map").remove("example"));
    assert_eq!(without_example(&document).len(), 1);
}
