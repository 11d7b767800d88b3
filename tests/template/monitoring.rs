//! Checks of the monitoring: alarms, runbook and dashboard.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use shared::telemetry::METRICS;
use tests::{ROUTES, Template};

use crate::rules::differences;
use crate::settings::source;

/// Metrics with further dimensions than the function.
const METRICS_BY_ROUTE_AND_OUTCOME: [&str; 2] = ["requests", "request_ms"];
const METRICS_BY_OUTCOME: [&str; 2] = ["conflicts", "rejected_changes"];

/// Outcomes of a request.
const OUTCOMES: [&str; 3] = ["success", "refused", "failure"];

/// Metrics whose alarm covers every function that can emit them, with the feature of `shared` that makes it possible.
const METRICS_BY_FEATURE: [(&str, &str); 5] = [
    ("postgres_errors", "postgres"),
    ("libsql_errors", "turso"),
    ("redis_errors", "redis"),
    ("mails_given_up", "mail"),
    ("mails_postponed", "mail"),
];

/// Maximum number of metrics of an alarm
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Create-alarm-on-metric-math-expression.html>).
const MAX_ALARM_METRICS: usize = 10;

/// Alarms that only stop a canary deployment.
const STOPS_DEPLOYMENT: [&str; 5] =
    ["AuthFailing", "UploadFailing", "DownloadFailing", "ConflictsFailing", "HealthFailing"];

/// Number of columns of a dashboard.
const COLUMNS: u64 = 24;

/// Beginnings of the lines of each alarm in the runbook.
const RUNBOOK_LINES: [&str; 4] = ["- **It means** ", "- **Look** ", "- **Do** ", "- **It is not** "];

/// Metric that an alarm or the dashboard uses.
struct WatchedMetric {
    source: String,
    namespace: String,
    name: String,
    /// Dimensions, with their values where specified.
    dimensions: BTreeMap<String, Option<String>>,
}

/// Returns all violations of the monitoring rules.
pub(crate) fn violations(template: &Template) -> Vec<String> {
    let mut violations: Vec<_> = alarms(template).flat_map(|(name, alarm)| alarm_violations(name, alarm)).collect();
    violations.extend(runbook(template));
    violations.extend(function_coverage(template));
    violations.extend(watched_by_alarms(template).iter().filter_map(|watched| metric_violation(template, watched)));
    match dashboard(template) {
        Ok(body) => {
            violations.extend(layout_violations(template, &body));
            violations.extend(coverage_violations(template, &body));
        }
        Err(error) => violations.push(error),
    }
    violations
}

fn alarms(template: &Template) -> impl Iterator<Item = (&str, &Value)> {
    template.resources("AWS::CloudWatch::Alarm").map(|(name, alarm)| (name, &alarm["Properties"]))
}

/// Returns a text of the template with unresolved parameters as `${name}`.
fn text(value: &Value) -> String {
    let parameter = value["Ref"].as_str().map(|name| format!("${{{name}}}"));
    // The alternative of a condition is empty.
    let value = value["Fn::If"].get(1).unwrap_or(value);
    let literal = value.as_str().or_else(|| value["Fn::Sub"].as_str()).map(str::to_owned);
    literal.or(parameter).or_else(|| with_variables(&value["Fn::Sub"])).unwrap_or_default()
}

/// Replaces the variables of an `Fn::Sub` that defines some.
fn with_variables(sub: &Value) -> Option<String> {
    let (template, variables) = (sub[0].as_str()?.to_owned(), sub[1].as_object()?);
    Some(variables.iter().fold(template, |all, (name, value)| all.replace(&format!("${{{name}}}"), &text(value))))
}

/// Checks the notification, the handling of missing data and the description of an alarm.
fn alarm_violations(name: &str, alarm: &Value) -> Vec<String> {
    let mut violations = Vec::new();
    let topic = if STOPS_DEPLOYMENT.contains(&name) {
        Value::Null
    } else {
        json!({ "Fn::If": ["HasAlarmTopic", [{ "Ref": "AlarmTopicArn" }], { "Ref": "AWS::NoValue" }] })
    };
    if alarm["AlarmActions"] != topic || alarm["OKActions"] != topic {
        violations.push(format!("the alarm {name} does not notify the topic on alarm and on recovery"));
    }
    // Missing data means that nothing happened, which is a problem for the purge only. The Synthetics canary starts after its
    // alarm.
    let missing_data = match name {
        "PurgeOverdue" => "breaching",
        "NotReady" => "missing",
        _ => "notBreaching",
    };
    if alarm["TreatMissingData"] != missing_data {
        violations.push(format!("the alarm {name} does not treat missing data as {missing_data}"));
    }
    // The newest datapoint may be a filled one, because metrics arrive late
    // (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html).
    if alarm["Metrics"].to_string().contains("FILL(") && alarm["EvaluationPeriods"] == 1 {
        violations.push(format!("the alarm {name} evaluates only the newest period"));
    }
    if metrics(alarm).count() > MAX_ALARM_METRICS {
        violations.push(format!("the alarm {name} has too many metrics"));
    }
    if !text(&alarm["AlarmDescription"]).ends_with(&format!(" Runbook: {name}")) {
        violations.push(format!("the description of the alarm {name} does not refer to its runbook entry"));
    }
    violations
}

/// Returns the metrics of an alarm.
fn metrics(alarm: &Value) -> impl Iterator<Item = &Value> {
    let math_metrics = alarm["Metrics"].as_array().into_iter().flatten().map(|metric| &metric["MetricStat"]["Metric"]);
    math_metrics.chain([alarm]).filter(|metric| metric["MetricName"].is_string())
}

fn watched_by_alarms(template: &Template) -> Vec<WatchedMetric> {
    let metrics = alarms(template).flat_map(|(name, alarm)| metrics(alarm).map(move |metric| (name, metric)));
    let watched = metrics.map(|(name, metric)| WatchedMetric {
        source: format!("the alarm {name}"),
        namespace: text(&metric["Namespace"]),
        name: text(&metric["MetricName"]),
        dimensions: metric["Dimensions"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|dimension| (text(&dimension["Name"]), Some(text(&dimension["Value"]))))
            .collect(),
    });
    watched.collect()
}

/// Checks that each alarm has a runbook section with the lines of [`RUNBOOK_LINES`].
fn runbook(template: &Template) -> Vec<String> {
    let readme = source("functions/README.md");
    let sections: BTreeMap<&str, Vec<&str>> = readme
        .split("\n#### ")
        .skip(1)
        .filter_map(|part| part.split_once('\n'))
        .map(|(heading, below)| (heading, below.trim_start().lines().take_while(|line| !line.is_empty()).collect()))
        // A section may describe several alarms.
        .flat_map(|(heading, lines): (_, Vec<_>)| heading.split(", ").map(move |name| (name, lines.clone())))
        .collect();
    let expected: BTreeSet<_> = alarms(template).map(|(name, _)| name).collect();
    let mut violations = differences("an alarm of the runbook", &expected, &sections.keys().copied().collect());
    for (name, lines) in sections {
        let fits = lines.len() == RUNBOOK_LINES.len()
            && lines.iter().zip(RUNBOOK_LINES).all(|(line, word)| line.starts_with(word));
        if !fits {
            violations.push(format!("the runbook section of {name} does not have the four required lines"));
        }
    }
    violations
}

/// Checks that the alarm of each metric covers all functions that can emit it.
fn function_coverage(template: &Template) -> Vec<String> {
    let watched = watched_by_alarms(template);
    let can_emit = |function: &&str, feature: &str| {
        let manifest = format!("{}/../functions/{function}/Cargo.toml", env!("CARGO_MANIFEST_DIR"));
        let manifest = std::fs::read_to_string(manifest).unwrap_or_default();
        let features = manifest.lines().find(|line| line.starts_with("shared = "));
        // The function migrate reports its failures to the deployment.
        *function != "migrate" && features.is_some_and(|line| line.contains(&format!("\"{feature}\"")))
    };
    let functions = template.functions();
    let differences = |(metric, feature): (&str, &str)| {
        let expected = functions.keys().filter(|name| can_emit(name, feature)).map(|name| (*name).to_owned());
        let actual = watched.iter().filter(|watched| watched.name == metric);
        let actual = actual.filter_map(|watched| watched.dimensions.get("function").cloned().flatten());
        differences(&format!("a function in the alarm of {metric}"), &expected.collect(), &actual.collect())
    };
    METRICS_BY_FEATURE.into_iter().flat_map(differences).collect()
}

/// Returns a violation if no function emits the metric with its namespace and dimensions.
fn metric_violation(template: &Template, watched: &WatchedMetric) -> Option<String> {
    let WatchedMetric { source, namespace, name, dimensions } = watched;
    // Metrics of AWS itself are not checked.
    if namespace.starts_with("AWS/") || namespace == "CloudWatchSynthetics" {
        return None;
    }
    let functions = template.functions();
    let mut environments = functions.values().map(|(_, function)| &function["Properties"]["Environment"]["Variables"]);
    if !environments.all(|variables| text(&variables["METRICS_NAMESPACE"]) == *namespace) {
        return Some(format!("{source} watches the namespace {namespace}, which no function uses"));
    }
    if METRICS.iter().all(|metric| metric.name != name) {
        return Some(format!("{source} watches {name}, which is not a metric of the service"));
    }
    let expected: &[&str] = match name.as_str() {
        name if METRICS_BY_ROUTE_AND_OUTCOME.contains(&name) => &["function", "outcome", "route"],
        name if METRICS_BY_OUTCOME.contains(&name) => &["function", "outcome"],
        _ => &["function"],
    };
    if !dimensions.keys().eq(expected) {
        return Some(format!(
            "{source} watches {name} with the dimensions {:?}, expected {expected:?}",
            dimensions.keys()
        ));
    }
    let value = |dimension: &str| dimensions.get(dimension).and_then(Option::as_deref);
    let is_function = value("function").is_none_or(|function| functions.contains_key(function));
    let is_outcome = METRICS_BY_OUTCOME.contains(&name.as_str())
        || value("outcome").is_none_or(|outcome| OUTCOMES.contains(&outcome));
    let is_served =
        |route| ROUTES.iter().any(|(function, _, path, _)| Some(*function) == value("function") && *path == route);
    let is_route = value("route").is_none_or(is_served);
    let is_emitted = is_function && is_outcome && is_route;
    (!is_emitted).then(|| format!("{source} watches {name} with the values {dimensions:?}, which no function emits"))
}

/// Parses the body of the dashboard, with unresolved parameters.
fn dashboard(template: &Template) -> Result<Value, String> {
    let dashboard = template.resources("AWS::CloudWatch::Dashboard").next().map(|(_, dashboard)| dashboard);
    let body = dashboard.map(|dashboard| text(&dashboard["Properties"]["DashboardBody"])).unwrap_or_default();
    serde_json::from_str(&body).map_err(|error| format!("the dashboard is not valid JSON: {error}"))
}

fn widgets(body: &Value) -> impl Iterator<Item = &Value> {
    body["widgets"].as_array().into_iter().flatten()
}

/// Checks that each widget has a title and a valid position, and that the dashboard lists all alarms.
fn layout_violations(template: &Template, body: &Value) -> Vec<String> {
    let mut violations = Vec::new();
    let mut listed = BTreeSet::new();
    for widget in widgets(body) {
        let properties = &widget["properties"];
        let title = match widget["type"].as_str() {
            Some("text") => properties["markdown"].as_str().and_then(|text| text.strip_prefix("# ")),
            _ => properties["title"].as_str(),
        };
        if title.is_none_or(str::is_empty) {
            violations.push(format!("a widget has no title: {widget}"));
        }
        let end = widget["x"].as_u64().zip(widget["width"].as_u64()).map(|(start, width)| start + width);
        if end.is_none_or(|end| end > COLUMNS) {
            violations.push(format!("a widget exceeds the width of the dashboard: {widget}"));
        }
        let has_region = ["metric", "log"].iter().any(|kind| widget["type"] == *kind);
        if has_region && properties["region"] != "${AWS::Region}" {
            violations.push(format!("a widget does not use the region of the stack: {widget}"));
        }
        listed.extend(properties["alarms"].as_array().into_iter().flatten().map(text));
    }
    let expected = alarms(template).map(|(name, _)| format!("${{{name}.Arn}}"));
    violations.extend(differences("an alarm on the dashboard", &expected.collect(), &listed));
    violations
}

/// Checks that the dashboard shows every metric of the service and no unknown metric.
fn coverage_violations(template: &Template, body: &Value) -> Vec<String> {
    let watched: Vec<_> = widgets(body).flat_map(watched_by_widget).collect();
    let mut violations: Vec<_> = watched.iter().filter_map(|watched| metric_violation(template, watched)).collect();
    for metric in METRICS {
        if watched.iter().all(|watched| watched.name != metric.name) {
            violations.push(format!("the dashboard does not show {}", metric.name));
        }
    }
    violations
}

/// Returns the metrics of a widget. Each is `[namespace, name, dimension, value, …, { options }]` or a search
/// expression. The shorthand `.` for the value of the previous metric is not supported.
fn watched_by_widget(widget: &Value) -> Vec<WatchedMetric> {
    let source = format!("the widget {}", widget["properties"]["title"]);
    let mut watched = Vec::new();
    for metric in widget["properties"]["metrics"].as_array().into_iter().flatten() {
        let words: Vec<_> = metric.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if let [namespace, name, dimensions @ ..] = words.as_slice() {
            let pairs =
                dimensions.chunks(2).map(|pair| (pair[0].to_owned(), pair.get(1).map(|value| (*value).to_owned())));
            watched.push(WatchedMetric {
                source: source.clone(),
                namespace: (*namespace).to_owned(),
                name: (*name).to_owned(),
                dimensions: pairs.collect(),
            });
        }
        let searches = metric[0]["expression"].as_str().into_iter().flat_map(|text| text.split("SEARCH('{").skip(1));
        for search in searches {
            // "namespace",dimension,…} MetricName="name"
            let (schema, rest) = search.split_once("} MetricName=\"").unwrap_or_default();
            let mut words = schema.split(',').map(|word| word.trim_matches('"').to_owned());
            watched.push(WatchedMetric {
                source: source.clone(),
                namespace: words.next().unwrap_or_default(),
                name: rest.split('"').next().unwrap_or_default().to_owned(),
                dimensions: words.map(|dimension| (dimension, None)).collect(),
            });
        }
    }
    watched
}
