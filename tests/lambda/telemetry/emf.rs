use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::telemetry::METRICS;

use super::told::Told;

/// What the embedded metric format asks of a document
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).
fn schema() -> Value {
    let name = |longest: u32| json!({ "type": "string", "minLength": 1, "maxLength": longest });
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

/// Where `document` is none of the format: by the schema, or because it names what is not there.
fn faults(document: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(&schema()).expect("the schema is one");
    let mut faults: Vec<_> = validator.iter_errors(document).map(|error| error.to_string()).collect();
    for directive in document["_aws"]["CloudWatchMetrics"].as_array().into_iter().flatten() {
        for dimension in
            directive["Dimensions"].as_array().into_iter().flatten().flat_map(|set| set.as_array()).flatten()
        {
            if !document[dimension.as_str().unwrap_or_default()].is_string() {
                faults.push(format!("{dimension} is no dimension"));
            }
        }
        for metric in directive["Metrics"].as_array().into_iter().flatten() {
            let value = &document[metric["Name"].as_str().unwrap_or_default()];
            if !value.is_number() && !value.is_array() {
                faults.push(format!("{metric} has no value"));
            }
        }
    }
    faults
}

/// The lines of `log` that CloudWatch takes for metrics.
fn documents(log: &str) -> Vec<Value> {
    let lines = log.lines().filter(|line| line.contains("\"_aws\""));
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn texts(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_is_measured_and_in_the_format() {
    let told = Told::once().await;
    let mut measured = BTreeSet::new();
    for document in documents(&told.log) {
        assert_eq!(faults(&document), Vec::<String>::new(), "{document}");
        let directive = &document["_aws"]["CloudWatchMetrics"][0];
        let dimensions = texts(&directive["Dimensions"][0]);
        let is_known = |name: &String| ["function", "route", "outcome"].contains(&name.as_str());
        assert!(dimensions.contains("function") && dimensions.iter().all(is_known), "{document}");
        for metric in directive["Metrics"].as_array().into_iter().flatten() {
            measured.insert(metric["Name"].as_str().expect("a name").to_owned());
        }
    }
    let listed: BTreeSet<_> = METRICS.iter().map(|meter| meter.name.to_owned()).collect();
    assert_eq!(measured, listed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happened_is_counted() {
    let told = Told::once().await;
    let documents = documents(&told.log);
    // The sum of `metric` over all documents of which `labels` are true.
    let sum = |metric: &str, labels: &[(&str, &str)]| -> f64 {
        let fits = |document: &&Value| labels.iter().all(|(name, value)| document[name] == *value);
        let values = documents.iter().filter(fits).map(|document| &document[metric]);
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
    assert_eq!(sum("active_users", &[]), 1.0, "Ada alone showed a token");
    assert_eq!(sum("mails_given_up", &[("function", "auth")]), 1.0, "Bob's");
    assert!(sum("mails_postponed", &[]) >= 1.0, "Eve's");
    assert_eq!(sum("cold_starts", &[("function", "auth")]), 1.0);
    assert_eq!(sum("purges", &[("function", "purge")]), 1.0);
    assert_eq!(sum("purged_tombstones", &[]), 1.0);
    for store in ["postgres_errors", "libsql_errors", "redis_errors"] {
        assert_eq!(sum(store, &[("function", "health")]), sum(store, &[]), "{store}");
    }
}

#[test]
fn what_is_not_of_the_format_is_found() {
    let good = json!({ "_aws": { "Timestamp": 1, "CloudWatchMetrics": [
        { "Namespace": "n", "Dimensions": [["d"]], "Metrics": [{ "Name": "m", "Unit": "Count" }] }] }, "d": "x", "m": [1] });
    assert_eq!(faults(&good), Vec::<String>::new());
    for (pointer, bad) in [
        ("/_aws/Timestamp", json!("now")),
        ("/_aws/CloudWatchMetrics/0/Metrics/0/Unit", json!("Pieces")),
        ("/_aws/CloudWatchMetrics/0/Dimensions", json!([])),
        ("/d", json!(1)),
        ("/m", json!({})),
        ("/m", json!(vec![1; 101])),
    ] {
        let mut document = good.clone();
        *document.pointer_mut(pointer).expect("it is there") = bad.clone();
        assert!(!faults(&document).is_empty(), "{pointer} {bad}");
    }
}
