use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::telemetry::METRICS;

use super::captured::Captured;

/// Returns the JSON schema of the embedded metric format
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).
fn schema() -> Value {
    let name = |max_length: u32| json!({ "type": "string", "minLength": 1, "maxLength": max_length });
    let rates = ["Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes"];
    let bits = ["Bits", "Kilobits", "Megabits", "Gigabits", "Terabits"];
    let plain = ["Seconds", "Microseconds", "Milliseconds", "Percent", "Count", "Count/Second", "None"];
    let per_second = rates.iter().chain(&bits).map(|unit| format!("{unit}/Second"));
    let units: Vec<_> =
        rates.iter().chain(&bits).chain(&plain).map(|unit| (*unit).to_owned()).chain(per_second).collect();
    let metric = json!({ "type": "object", "required": ["Name"],
        "properties": { "Name": name(1_024), "Unit": { "enum": units }, "StorageResolution": { "enum": [1, 60] } } });
    let directive = json!({ "type": "object", "required": ["Namespace", "Dimensions", "Metrics"], "properties": {
        "Namespace": name(1_024),
        "Dimensions": { "type": "array", "minItems": 1,
            "items": { "type": "array", "maxItems": 30, "items": name(250) } },
        "Metrics": { "type": "array", "maxItems": 100, "items": metric } } });
    json!({ "type": "object", "required": ["_aws"],
        "properties": { "_aws": { "type": "object", "required": ["Timestamp", "CloudWatchMetrics"], "properties": {
            "Timestamp": { "type": "integer" },
            "CloudWatchMetrics": { "type": "array", "items": directive } } } },
        "additionalProperties": { "anyOf": [
            { "type": ["string", "number"] },
            { "type": "array", "minItems": 1, "maxItems": 100, "items": { "type": "number" } } ] } })
}

/// Returns the violations of the format by `document`: of the schema, or references to missing fields.
fn violations(document: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(&schema()).expect("the schema is valid");
    let mut violations: Vec<_> = validator.iter_errors(document).map(|error| error.to_string()).collect();
    for directive in document["_aws"]["CloudWatchMetrics"].as_array().into_iter().flatten() {
        for dimension in
            directive["Dimensions"].as_array().into_iter().flatten().flat_map(|set| set.as_array()).flatten()
        {
            if !document[dimension.as_str().unwrap_or_default()].is_string() {
                violations.push(format!("{dimension} is not a dimension"));
            }
        }
        for metric in directive["Metrics"].as_array().into_iter().flatten() {
            let value = &document[metric["Name"].as_str().unwrap_or_default()];
            if !value.is_number() && !value.is_array() {
                violations.push(format!("{metric} has no value"));
            }
        }
    }
    violations
}

/// Returns the lines of `log` that CloudWatch parses as metrics.
fn documents(log: &str) -> Vec<Value> {
    let lines = log.lines().filter(|line| line.contains("\"_aws\""));
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn texts(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_is_emitted_in_the_embedded_metric_format() {
    let captured = Captured::once().await;
    let mut emitted = BTreeSet::new();
    for document in documents(&captured.log) {
        assert_eq!(violations(&document), Vec::<String>::new(), "{document}");
        let directive = &document["_aws"]["CloudWatchMetrics"][0];
        let dimensions = texts(&directive["Dimensions"][0]);
        let is_known = |name: &String| ["function", "route", "outcome"].contains(&name.as_str());
        assert!(dimensions.contains("function") && dimensions.iter().all(is_known), "{document}");
        for metric in directive["Metrics"].as_array().into_iter().flatten() {
            emitted.insert(metric["Name"].as_str().expect("a name").to_owned());
        }
    }
    let listed: BTreeSet<_> = METRICS.iter().map(|metric| metric.name.to_owned()).collect();
    assert_eq!(emitted, listed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_count_the_recorded_operations() {
    let captured = Captured::once().await;
    let documents = documents(&captured.log);
    // Returns the sum of `metric` over all documents with these labels.
    let sum = |metric: &str, labels: &[(&str, &str)]| -> f64 {
        let has_labels = |document: &&Value| labels.iter().all(|(name, value)| document[name] == *value);
        let values = documents.iter().filter(has_labels).map(|document| &document[metric]);
        values
            .flat_map(|value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]))
            .filter_map(|v| v.as_f64())
            .sum()
    };
    let uploads = [("function", "upload"), ("route", "/api/sync/upload"), ("outcome", "success")];
    assert_eq!(sum("requests", &uploads), 3.0);
    assert_eq!(sum("upload_changes", &[("function", "upload")]), 4.0);
    assert_eq!(sum("conflicts", &[("function", "upload"), ("outcome", "last_write_wins")]), 1.0);
    assert_eq!(sum("rejected_changes", &[("outcome", "CREDENTIALS_PRESENT")]), 1.0);
    assert_eq!(sum("rate_limited", &[("function", "conflicts")]), 1.0);
    assert_eq!(sum("active_users", &[]), 1.0, "only Ada authenticated");
    assert_eq!(sum("mails_given_up", &[("function", "auth")]), 1.0, "the email of Bob");
    assert!(sum("mails_postponed", &[]) >= 1.0, "the email of Eve");
    assert_eq!(sum("cold_starts", &[("function", "auth")]), 1.0);
    assert_eq!(sum("purges", &[("function", "purge")]), 1.0);
    assert_eq!(sum("purged_tombstones", &[]), 1.0);
    for store in ["postgres_errors", "libsql_errors", "redis_errors"] {
        assert_eq!(sum(store, &[("function", "health")]), sum(store, &[]), "{store}");
    }
}

#[test]
fn invalid_documents_are_detected() {
    let valid = json!({ "_aws": { "Timestamp": 1, "CloudWatchMetrics": [
        { "Namespace": "n", "Dimensions": [["d"]], "Metrics": [{ "Name": "m", "Unit": "Count" }] }] }, "d": "x", "m": [1] });
    assert_eq!(violations(&valid), Vec::<String>::new());
    for (pointer, invalid) in [
        ("/_aws/Timestamp", json!("now")),
        ("/_aws/CloudWatchMetrics/0/Metrics/0/Unit", json!("Pieces")),
        ("/_aws/CloudWatchMetrics/0/Dimensions", json!([])),
        ("/d", json!(1)),
        ("/m", json!({})),
        ("/m", json!(vec![1; 101])),
    ] {
        let mut document = valid.clone();
        *document.pointer_mut(pointer).expect("the field exists") = invalid.clone();
        assert!(!violations(&document).is_empty(), "{pointer} {invalid}");
    }
}
