use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shared::telemetry::SecurityEvent;

use super::told::Told;

/// The lines of `log` that a function wrote for people.
fn lines(log: &str) -> Vec<Value> {
    let json = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    json.filter(|line| line.is_object() && line["_aws"].is_null()).collect()
}

fn requests(lines: &[Value]) -> impl Iterator<Item = &Value> {
    lines.iter().filter(|line| ["request", "request failed"].iter().any(|message| line["message"] == *message))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_has_one_line_with_everything() {
    let told = Told::once().await;
    let lines = lines(&told.log);
    for line in &lines {
        for key in ["level", "message", "timestamp", "service", "function_name"] {
            assert!(line[key].is_string(), "{key}: {line}");
        }
    }
    let mut per_function: BTreeMap<&str, usize> = BTreeMap::new();
    for line in requests(&lines) {
        for key in ["request_id", "function_request_id", "method", "route"] {
            assert!(line[key].is_string(), "{key}: {line}");
        }
        // The other functions were given no trace.
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
    // The emulator tells of each call that it made.
    let calls = told.log.lines().filter(|line| line.starts_with("END RequestId")).count();
    let scheduled = 3;
    assert_eq!(per_function.values().sum::<usize>(), calls - scheduled, "{per_function:?}");
    let uploads: Vec<_> = requests(&lines).filter(|line| line["route"] == "/api/sync/upload").collect();
    assert_eq!(uploads.len(), 3);
    assert!(uploads.iter().all(|line| line["user"] == uploads[0]["user"] && line["user"].is_string()), "{uploads:?}");
    assert_eq!(uploads[0]["device"], "laptop");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_told_with_its_cause() {
    let told = Told::once().await;
    let lines = lines(&told.log);
    let failed: Vec<_> = lines.iter().filter(|line| line["message"] == "request failed").collect();
    assert_eq!(failed.len(), 2, "{failed:?}");
    for line in failed {
        let cause = line["cause"].as_str().expect("a cause");
        assert!(line["level"] == "ERROR" && cause.starts_with("accounts"), "{cause}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_security_event_is_told_by_its_name() {
    let told = Told::once().await;
    let lines = lines(&told.log);
    let names: BTreeSet<_> = SecurityEvent::ALL.iter().map(|event| event.name()).collect();
    let events: Vec<_> = lines.iter().filter(|line| line["message"] == "security event").collect();
    let told: BTreeSet<_> = events.iter().map(|line| line["event"].as_str().expect("a name")).collect();
    assert_eq!(told, names);
    assert!(events.iter().all(|line| line["request_id"].is_string() && line["route"].is_string()));
}

/// Those of `secrets` that stand in `text`, as they are or as JSON would write them.
fn found<'a>(text: &str, secrets: &'a [String]) -> Vec<&'a str> {
    let stands = |secret: &&String| {
        let quoted = serde_json::to_string(secret).expect("a text");
        text.contains(secret.as_str()) || text.contains(quoted.trim_matches('"'))
    };
    secrets.iter().filter(stands).map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_told_and_one_that_is_planted_is_found() {
    let told = Told::once().await;
    assert!(told.secrets.len() > 40 && told.secrets.iter().all(|secret| secret.len() > 5), "{:?}", told.secrets);
    assert_eq!(found(&told.log, &told.secrets), Vec::<&str>::new());
    for report in &told.reports {
        assert_eq!(found(report, &told.secrets), Vec::<&str>::new());
    }
    for secret in &told.secrets {
        let line = serde_json::json!({ "message": "request", "cause": format!("no {secret}") });
        let planted = format!("{}\n{line}\n", told.log);
        assert!(found(&planted, &told.secrets).contains(&secret.as_str()), "{secret}");
    }
}
