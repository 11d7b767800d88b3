//! Limits of the fields of items: `GET /api/sync/limits` names each one that the OpenAPI document has.

use serde_json::Value;

use crate::routes::document;

/// Fields whose limit has the name of another field.
const SHARED_LIMITS: [(&str, &str); 3] = [("connection_id", "id"), ("ssh_host", "host"), ("ssh_user", "username")];

/// Returns the fields of items in `document` whose limit is not the one in the example of `GET /api/sync/limits`, which the
/// code generates.
fn differences(document: &Value) -> Vec<String> {
    let response = &document["paths"]["/api/sync/limits"]["get"]["responses"]["200"];
    let limits = &response["content"]["application/json"]["example"]["fields"];
    let mut found = Vec::new();
    for schema in ["Connection", "SavedQuery", "QueryHistory"] {
        let properties = document["components"]["schemas"][schema]["properties"].as_object();
        for (name, property) in properties.expect("the schema of an item") {
            let Some(described) = property.get("maxLength").or(property.get("maxItems")) else { continue };
            let shared = SHARED_LIMITS.into_iter().find(|(field, _)| field == name);
            let limit = &limits[shared.map_or(name.as_str(), |(_, limit)| limit)];
            if described != limit {
                found.push(format!("{schema}.{name} is limited to {described}, but the limits say {limit}"));
            }
        }
    }
    found
}

#[test]
fn every_limit_of_a_field_is_public() {
    assert_eq!(differences(&document()), Vec::<String>::new());
}

mod check_tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_difference_is_found() {
        let mut document = document();
        let properties = &mut document["components"]["schemas"]["SavedQuery"]["properties"];
        properties["folder"] = json!({ "type": "string", "maxLength": 255 });
        properties["query"]["maxLength"] = json!(7);
        let expected = [
            "SavedQuery.folder is limited to 255, but the limits say null",
            "SavedQuery.query is limited to 7, but the limits say 1000000",
        ];
        assert_eq!(differences(&document), expected);
    }
}
