//! View of the OpenAPI document for the reference page.

use serde_json::{Map, Value};

use crate::reference_text::{Piece, Text, kind, limits, paragraphs, referred, text};

/// The whole reference.
pub(crate) struct Reference {
    pub(crate) title: String,
    pub(crate) version: String,
    pub(crate) description: Vec<Text>,
    /// Authentication of calls.
    pub(crate) authentication: Text,
    pub(crate) servers: Vec<Server>,
    pub(crate) groups: Vec<Group>,
    /// Error responses that operations share.
    pub(crate) errors: Vec<Response>,
    pub(crate) headers: Vec<Field>,
    pub(crate) schemas: Vec<Schema>,
}

pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) description: Text,
}

/// Operations with the same tag.
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) description: Text,
    pub(crate) operations: Vec<Operation>,
}

pub(crate) struct Operation {
    pub(crate) id: String,
    /// In upper case.
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) summary: Text,
    pub(crate) description: Vec<Text>,
    pub(crate) needs_token: bool,
    pub(crate) parameters: Vec<Field>,
    pub(crate) request: Option<Body>,
    /// Responses without an error.
    pub(crate) responses: Vec<Response>,
    pub(crate) errors: Vec<Response>,
}

pub(crate) struct Response {
    pub(crate) name: String,
    pub(crate) status: String,
    pub(crate) description: Text,
    /// Whether it is one of [`Reference::errors`].
    pub(crate) is_shared: bool,
    pub(crate) headers: Vec<String>,
    pub(crate) body: Body,
}

/// Body of a request or response.
pub(crate) struct Body {
    pub(crate) kinds: Vec<BodyKind>,
    pub(crate) examples: Vec<Example>,
}

pub(crate) struct BodyKind {
    pub(crate) media_type: String,
    pub(crate) kind: Text,
}

pub(crate) struct Example {
    pub(crate) title: String,
    pub(crate) json: String,
}

/// Property, parameter or header.
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) kind: Text,
    /// Location of a parameter, and whether the field is required.
    pub(crate) notes: Vec<&'static str>,
    pub(crate) limits: Vec<Piece>,
    pub(crate) description: Text,
}

pub(crate) struct Schema {
    pub(crate) name: String,
    pub(crate) description: Text,
    pub(crate) kind: Text,
    pub(crate) limits: Vec<Piece>,
    pub(crate) parts: Vec<Part>,
}

/// Object among the alternatives or parts of a schema; a plain object is its only part.
pub(crate) struct Part {
    pub(crate) description: Text,
    pub(crate) fields: Vec<Field>,
}

impl Reference {
    /// Reads the OpenAPI document.
    pub(crate) fn new(document: &Value) -> Self {
        let components = &document["components"];
        Self {
            title: string(&document["info"]["title"]),
            version: string(&document["info"]["version"]),
            description: paragraphs(&document["info"]["description"]),
            authentication: text(&components["securitySchemes"]["bearer"]["description"]),
            servers: list(&document["servers"]).iter().map(Server::new).collect(),
            groups: list(&document["tags"]).iter().map(|tag| Group::new(tag, document)).collect(),
            errors: entries(&components["responses"])
                .map(|(name, response)| Response::shared(name, response))
                .collect(),
            headers: entries(&components["headers"]).map(|(name, header)| Field::new(name, header)).collect(),
            schemas: entries(&components["schemas"]).map(|(name, schema)| Schema::new(name, schema)).collect(),
        }
    }
}

impl Server {
    fn new(server: &Value) -> Self {
        Self { url: string(&server["url"]), description: text(&server["description"]) }
    }
}

impl Group {
    fn new(tag: &Value, document: &Value) -> Self {
        let operations = entries(&document["paths"]).flat_map(|(path, operations)| {
            let tagged = entries(operations).filter(|(_, operation)| operation["tags"][0] == tag["name"]);
            tagged.map(|(method, operation)| Operation::new(path, method, operation, document))
        });
        Self { name: string(&tag["name"]), description: text(&tag["description"]), operations: operations.collect() }
    }
}

impl Operation {
    fn new(path: &str, method: &str, operation: &Value, document: &Value) -> Self {
        let request = &operation["requestBody"];
        let all = entries(&operation["responses"]).map(|(status, response)| Response::new(status, response, document));
        let (responses, errors) = all.partition(|response| response.status.starts_with('2'));
        Self {
            id: string(&operation["operationId"]),
            method: method.to_uppercase(),
            path: path.to_owned(),
            summary: text(&operation["summary"]),
            description: paragraphs(&operation["description"]),
            needs_token: !list(&operation["security"]).is_empty(),
            parameters: list(&operation["parameters"]).iter().map(Field::parameter).collect(),
            request: request.is_object().then(|| Body::new(request)),
            responses,
            errors,
        }
    }
}

impl Response {
    fn new(status: &str, response: &Value, document: &Value) -> Self {
        let Some(name) = referred(response) else {
            return Self {
                name: String::new(),
                status: status.to_owned(),
                description: text(&response["description"]),
                is_shared: false,
                headers: entries(&response["headers"]).map(|(name, _)| name.to_owned()).collect(),
                body: Body::new(response),
            };
        };
        let shared = Self::shared(name, &document["components"]["responses"][name]);
        Self { status: status.to_owned(), ..shared }
    }

    fn shared(name: &str, response: &Value) -> Self {
        let plain = Self::new("", response, &Value::Null);
        Self { name: name.to_owned(), is_shared: true, ..plain }
    }
}

impl Body {
    fn new(body: &Value) -> Self {
        let kinds = entries(&body["content"]).map(|(media_type, content)| BodyKind {
            media_type: media_type.to_owned(),
            kind: kind(&content["schema"]),
        });
        let examples = entries(&body["content"]).flat_map(|(_, content)| {
            let only = content.get("example").map(|value| Example::new("Example", value));
            let named = entries(&content["examples"])
                .map(|(_, example)| Example::new(example["summary"].as_str().unwrap_or("Example"), &example["value"]));
            only.into_iter().chain(named)
        });
        Self { kinds: kinds.collect(), examples: examples.collect() }
    }
}

impl Example {
    fn new(title: &str, value: &Value) -> Self {
        Self { title: title.to_owned(), json: format!("{value:#}") }
    }
}

impl Field {
    /// Reads a header, or a parameter without its location.
    fn new(name: &str, field: &Value) -> Self {
        Self {
            name: name.to_owned(),
            kind: kind(&field["schema"]),
            notes: Vec::new(),
            limits: limits(&field["schema"]),
            description: text(&field["description"]),
        }
    }

    fn parameter(parameter: &Value) -> Self {
        let place = if parameter["in"] == "path" { "in the path" } else { "in the query" };
        let required = if parameter["required"] == true { "required" } else { "optional" };
        let field = Self::new(parameter["name"].as_str().unwrap_or_default(), parameter);
        Self { notes: vec![place, required], ..field }
    }

    fn property(name: &str, schema: &Value, is_required: bool) -> Self {
        Self {
            name: name.to_owned(),
            kind: kind(schema),
            notes: vec![if is_required { "required" } else { "optional" }],
            limits: limits(schema),
            description: text(&schema["description"]),
        }
    }
}

impl Schema {
    fn new(name: &str, schema: &Value) -> Self {
        let inline = parts(schema)
            .filter(|part| part["properties"].is_object())
            .map(|part| Part { description: text(&part["description"]), fields: fields(part) });
        let whole = Part { description: Vec::new(), fields: fields(schema) };
        let own = Some(whole).filter(|part| !part.fields.is_empty());
        Self {
            name: name.to_owned(),
            description: text(&schema["description"]),
            kind: kind(schema),
            limits: limits(schema),
            parts: own.into_iter().chain(inline).collect(),
        }
    }
}

/// Returns the parts or alternatives of a schema that is made of others.
fn parts(schema: &Value) -> impl Iterator<Item = &Value> {
    ["allOf", "oneOf", "anyOf"].into_iter().flat_map(|keyword| list(&schema[keyword]))
}

fn fields(schema: &Value) -> Vec<Field> {
    let required = list(&schema["required"]);
    let field = |(name, property)| Field::property(name, property, required.iter().any(|known| known == name));
    entries(&schema["properties"]).map(field).collect()
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter).map(|(name, value)| (name.as_str(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_and_schema_of_the_document_is_there() {
        let document: Value = serde_json::from_str(crate::openapi::DOCUMENT).expect("it is JSON");
        let reference = Reference::new(&document);
        let shown: usize = reference.groups.iter().map(|group| group.operations.len()).sum();
        let all: usize = entries(&document["paths"]).map(|(_, operations)| entries(operations).count()).sum();
        assert_eq!(shown, all);
        assert_eq!(reference.schemas.len(), entries(&document["components"]["schemas"]).count());
    }
}
