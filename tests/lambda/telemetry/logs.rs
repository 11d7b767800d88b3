use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shared::telemetry::SecurityEvent;

use super::captured::Captured;
use crate::cloud::RELEASE;

/// Returns the lines of `log` that are not metrics.
fn log_lines(log: &str) -> Vec<Value> {
    let json = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    json.filter(|line| line.is_object() && line["_aws"].is_null()).collect()
}

fn request_lines(log_lines: &[Value]) -> impl Iterator<Item = &Value> {
    log_lines.iter().filter(|line| ["request", "request failed"].iter().any(|message| line["message"] == *message))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_is_logged_once_with_all_fields() {
    let captured = Captured::once().await;
    let log_lines = log_lines(&captured.log);
    for line in &log_lines {
        for key in ["level", "message", "timestamp", "service", "function_name"] {
            assert!(line[key].is_string(), "{key}: {line}");
        }
        assert_eq!(line["release"], RELEASE, "{line}");
    }
    let mut per_function: BTreeMap<&str, usize> = BTreeMap::new();
    for line in request_lines(&log_lines) {
        for key in ["request_id", "function_request_id", "method", "route"] {
            assert!(line[key].is_string(), "{key}: {line}");
        }
        // Only the function auth is traced.
        if line["function_name"] == "auth" {
            let (xray, trace) = (line["xray_trace_id"].as_str(), line["trace_id"].as_str().expect("a trace"));
            assert_eq!(xray, Some(format!("1-{}-{}", &trace[..8], &trace[8..]).as_str()), "{line}");
        }
        for key in ["status", "duration_ms", "response_bytes"] {
            assert!(line[key].is_u64(), "{key}: {line}");
        }
        assert!(line["cold_start"].is_boolean(), "{line}");
        *per_function.entry(line["function_name"].as_str().unwrap_or_default()).or_default() += 1;
    }
    // The emulator logs each invocation.
    let calls = captured.log.lines().filter(|line| line.starts_with("END RequestId")).count();
    let scheduled = 3;
    assert_eq!(per_function.values().sum::<usize>(), calls - scheduled, "{per_function:?}");
    let uploads: Vec<_> = request_lines(&log_lines).filter(|line| line["route"] == "/api/sync/upload").collect();
    assert_eq!(uploads.len(), 3);
    assert!(uploads.iter().all(|line| line["user"] == uploads[0]["user"] && line["user"].is_string()), "{uploads:?}");
    assert_eq!(uploads[0]["device"], "laptop");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_logged_with_its_cause() {
    let captured = Captured::once().await;
    let log_lines = log_lines(&captured.log);
    let failed: Vec<_> = log_lines.iter().filter(|line| line["message"] == "request failed").collect();
    assert_eq!(failed.len(), 2, "{failed:?}");
    for line in failed {
        let cause = line["cause"].as_str().expect("a cause");
        assert!(line["level"] == "ERROR" && cause.starts_with("the postgres store is unavailable: "), "{cause}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_security_event_is_logged_by_name() {
    let captured = Captured::once().await;
    let log_lines = log_lines(&captured.log);
    let names: BTreeSet<_> = SecurityEvent::ALL.iter().map(|event| event.name()).collect();
    let events: Vec<_> = log_lines.iter().filter(|line| line["message"] == "security event").collect();
    let logged: BTreeSet<_> = events.iter().map(|line| line["event"].as_str().expect("a name")).collect();
    assert_eq!(logged, names);
    assert!(events.iter().all(|line| line["request_id"].is_string() && line["route"].is_string()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_credentials_are_counted_by_rule() {
    let captured = Captured::once().await;
    let refused: Vec<_> =
        log_lines(&captured.log).into_iter().filter(|line| line["event"] == "credential_refused").collect();
    let counted: Vec<_> = refused.iter().map(|line| (line["rule"].as_str(), line["count"].as_u64())).collect();
    assert_eq!(counted, [(Some("identified-by"), Some(1))]);
}

/// Returns the `secrets` that `text` contains, literally or escaped as JSON.
fn leaked_secrets<'a>(text: &str, secrets: &'a [String]) -> Vec<&'a str> {
    let is_contained = |secret: &&String| {
        let quoted = serde_json::to_string(secret).expect("a text");
        text.contains(secret.as_str()) || text.contains(quoted.trim_matches('"'))
    };
    secrets.iter().filter(is_contained).map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_contains_no_secret_and_planted_secrets_are_detected() {
    let captured = Captured::once().await;
    assert!(
        captured.secrets.len() > 40 && captured.secrets.iter().all(|secret| secret.len() > 5),
        "{:?}",
        captured.secrets
    );
    assert_eq!(leaked_secrets(&captured.log, &captured.secrets), Vec::<&str>::new());
    for report in &captured.reports {
        assert_eq!(leaked_secrets(report, &captured.secrets), Vec::<&str>::new());
    }
    for secret in &captured.secrets {
        let line = serde_json::json!({ "message": "request", "cause": format!("no {secret}") });
        let planted = format!("{}\n{line}\n", captured.log);
        assert!(leaked_secrets(&planted, &captured.secrets).contains(&secret.as_str()), "{secret}");
    }
}
