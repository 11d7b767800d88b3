//! What watches the service: the alarms, the runbook, and the dashboard.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use shared::telemetry::METRICS;
use tests::{ROUTES, Template};

use crate::rules::differences;

/// Metrics that tell more than the function.
const BY_ROUTE_AND_OUTCOME: [&str; 2] = ["requests", "request_ms"];
const BY_OUTCOME: [&str; 2] = ["conflicts", "rejected_changes"];

/// How a request may end.
const OUTCOMES: [&str; 3] = ["success", "refused", "failure"];

/// Metrics whose alarm counts what each function meets that calls somebody, and the feature by which it can.
const MET_BY: [(&str, &str); 5] = [
    ("postgres_errors", "postgres"),
    ("libsql_errors", "turso"),
    ("redis_errors", "redis"),
    ("mails_given_up", "mail"),
    ("mails_postponed", "mail"),
];

/// Most metrics of an alarm
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Create-alarm-on-metric-math-expression.html>).
const MAX_OF_ALARM: usize = 10;

/// How many columns a dashboard has.
const COLUMNS: u64 = 24;

/// How the lines below an alarm's name in the runbook begin.
const RUNBOOK: [&str; 4] = ["- **It means** ", "- **Look** ", "- **Do** ", "- **It is not** "];

/// A metric that an alarm or the dashboard watches.
struct Watched {
    by: String,
    namespace: String,
    name: String,
    /// With values, as far as they are told.
    dimensions: BTreeMap<String, Option<String>>,
}

/// Where nobody is told, or of what is not measured.
pub(crate) fn faults(template: &Template) -> Vec<String> {
    let mut faults: Vec<_> = alarms(template).flat_map(|(name, alarm)| rings(name, alarm)).collect();
    faults.extend(runbook(template));
    faults.extend(everybody_is_counted(template));
    faults.extend(watched_by_alarms(template).iter().filter_map(|watched| unknown(template, watched)));
    match dashboard(template) {
        Ok(body) => {
            faults.extend(looks(template, &body));
            faults.extend(shows(template, &body));
        }
        Err(error) => faults.push(error),
    }
    faults
}

fn alarms(template: &Template) -> impl Iterator<Item = (&str, &Value)> {
    template.resources("AWS::CloudWatch::Alarm").map(|(name, alarm)| (name, &alarm["Properties"]))
}

/// Returns a text as the template writes it, with the names of parameters in place of their values. Variables of `Fn::Sub`
/// are replaced by their texts.
fn text(value: &Value) -> String {
    if let Some([text, variables]) = value["Fn::Sub"].as_array().map(Vec::as_slice) {
        let variables = variables.as_object().into_iter().flatten();
        return variables
            .fold(self::text(text), |text, (name, value)| text.replace(&format!("${{{name}}}"), &self::text(value)));
    }
    let referred = value["Ref"].as_str().map(|name| format!("${{{name}}}"));
    let written = value.as_str().or_else(|| value["Fn::Sub"].as_str()).map(str::to_owned);
    written.or(referred).unwrap_or_default()
}

/// Whether the alarm `name` tells somebody, and when.
fn rings(name: &str, alarm: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let topic = json!({ "Fn::If": ["HasAlarmTopic", [{ "Ref": "AlarmTopicArn" }], { "Ref": "AWS::NoValue" }] });
    if alarm["AlarmActions"] != topic || alarm["OKActions"] != topic {
        faults.push(format!("the alarm {name} tells nobody when it rings, or when it is over"));
    }
    // Silence means that nothing happens, which is bad of a purge alone.
    let silence = if name == "PurgeOverdue" { "breaching" } else { "notBreaching" };
    if alarm["TreatMissingData"] != silence {
        faults.push(format!("the alarm {name} takes silence for something else than {silence}"));
    }
    if metrics(alarm).count() > MAX_OF_ALARM {
        faults.push(format!("the alarm {name} has too many metrics"));
    }
    if !text(&alarm["AlarmDescription"]).ends_with(&format!(" Runbook: {name}")) {
        faults.push(format!("the alarm {name} does not say where the runbook tells of it"));
    }
    faults
}

/// The metrics of an alarm.
fn metrics(alarm: &Value) -> impl Iterator<Item = &Value> {
    let several = alarm["Metrics"].as_array().into_iter().flatten().map(|metric| &metric["MetricStat"]["Metric"]);
    several.chain([alarm]).filter(|metric| metric["MetricName"].is_string())
}

fn watched_by_alarms(template: &Template) -> Vec<Watched> {
    let metrics = alarms(template).flat_map(|(name, alarm)| metrics(alarm).map(move |metric| (name, metric)));
    let watched = metrics.map(|(name, metric)| Watched {
        by: format!("the alarm {name}"),
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

/// Each alarm has a heading in the runbook, and below it what it means, where to look, what to do, and what it is not.
fn runbook(template: &Template) -> Vec<String> {
    let readme =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../functions/README.md")).expect("a file");
    let to_otel_span: BTreeMap<&str, Vec<&str>> = readme
        .split("\n#### ")
        .skip(1)
        .filter_map(|part| part.split_once('\n'))
        .map(|(heading, below)| (heading, below.trim_start().lines().take_while(|line| !line.is_empty()).collect()))
        .collect();
    let asked: BTreeSet<_> = alarms(template).map(|(name, _)| name).collect();
    let mut faults = differences("an alarm of the runbook", &asked, &to_otel_span.keys().copied().collect());
    for (name, lines) in to_otel_span {
        let fits = lines.len() == RUNBOOK.len() && lines.iter().zip(RUNBOOK).all(|(line, word)| line.starts_with(word));
        if !fits {
            faults.push(format!("the runbook tells something else of {name} than in four lines what it has to"));
        }
    }
    faults
}

/// What each function meets is counted by the alarm, if it can meet it.
fn everybody_is_counted(template: &Template) -> Vec<String> {
    let watched = watched_by_alarms(template);
    let calls = |function: &&str, feature: &str| {
        let manifest = format!("{}/../functions/{function}/Cargo.toml", env!("CARGO_MANIFEST_DIR"));
        let manifest = std::fs::read_to_string(manifest).unwrap_or_default();
        let features = manifest.lines().find(|line| line.starts_with("shared = "));
        // What a deployment waits for, it tells the deployment.
        *function != "migrate" && features.is_some_and(|line| line.contains(&format!("\"{feature}\"")))
    };
    let functions = template.functions();
    let differences = |(meter, feature): (&str, &str)| {
        let asked = functions.keys().filter(|name| calls(name, feature)).map(|name| (*name).to_owned());
        let given = watched.iter().filter(|watched| watched.name == meter);
        let given = given.filter_map(|watched| watched.dimensions.get("function").cloned().flatten());
        differences(&format!("a function whose {meter} ring"), &asked.collect(), &given.collect())
    };
    MET_BY.into_iter().flat_map(differences).collect()
}

/// What is wrong with a metric that is watched: nobody writes it, or not so.
fn unknown(template: &Template, watched: &Watched) -> Option<String> {
    let Watched { by, namespace, name, dimensions } = watched;
    // Those of AWS are as many as there are services.
    if namespace.starts_with("AWS/") {
        return None;
    }
    let functions = template.functions();
    let mut written = functions.values().map(|(_, function)| &function["Properties"]["Environment"]["Variables"]);
    if !written.all(|variables| text(&variables["METRICS_NAMESPACE"]) == *namespace) {
        return Some(format!("{by} watches {namespace}, where nobody writes metrics"));
    }
    if METRICS.iter().all(|meter| meter.name != name) {
        return Some(format!("{by} watches {name}, which is not measured"));
    }
    let asked: &[&str] = match name.as_str() {
        name if BY_ROUTE_AND_OUTCOME.contains(&name) => &["function", "outcome", "route"],
        name if BY_OUTCOME.contains(&name) => &["function", "outcome"],
        _ => &["function"],
    };
    if !dimensions.keys().eq(asked) {
        return Some(format!("{by} watches {name} by {:?}, but it is told by {asked:?}", dimensions.keys()));
    }
    let value = |dimension: &str| dimensions.get(dimension).and_then(Option::as_deref);
    let is_function = value("function").is_none_or(|function| functions.contains_key(function));
    let is_outcome =
        BY_OUTCOME.contains(&name.as_str()) || value("outcome").is_none_or(|outcome| OUTCOMES.contains(&outcome));
    let serves =
        |route| ROUTES.iter().any(|(function, _, path, _)| Some(*function) == value("function") && *path == route);
    let is_route = value("route").is_none_or(serves);
    let is_told = is_function && is_outcome && is_route;
    (!is_told).then(|| format!("{by} watches {name} of {dimensions:?}, which there is not"))
}

/// What the dashboard says of itself, with the names of parameters.
fn dashboard(template: &Template) -> Result<Value, String> {
    let dashboard = template.resources("AWS::CloudWatch::Dashboard").next().map(|(_, dashboard)| dashboard);
    let body = dashboard.map(|dashboard| text(&dashboard["Properties"]["DashboardBody"])).unwrap_or_default();
    serde_json::from_str(&body).map_err(|error| format!("the dashboard is no JSON: {error}"))
}

fn widgets(body: &Value) -> impl Iterator<Item = &Value> {
    body["widgets"].as_array().into_iter().flatten()
}

/// Whether each widget has a title and a place, and all alarms are among them.
fn looks(template: &Template, body: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let mut shown = BTreeSet::new();
    for widget in widgets(body) {
        let properties = &widget["properties"];
        let title = match widget["type"].as_str() {
            Some("text") => properties["markdown"].as_str().and_then(|text| text.strip_prefix("# ")),
            _ => properties["title"].as_str(),
        };
        if title.is_none_or(str::is_empty) {
            faults.push(format!("a widget has no title: {widget}"));
        }
        let end = widget["x"].as_u64().zip(widget["width"].as_u64()).map(|(start, width)| start + width);
        if end.is_none_or(|end| end > COLUMNS) {
            faults.push(format!("a widget is beyond the edge: {widget}"));
        }
        let is_of_region = ["metric", "log"].iter().any(|kind| widget["type"] == *kind);
        if is_of_region && properties["region"] != "${AWS::Region}" {
            faults.push(format!("a widget is of another region: {widget}"));
        }
        shown.extend(properties["alarms"].as_array().into_iter().flatten().map(text));
    }
    let asked = alarms(template).map(|(name, _)| format!("${{{name}.Arn}}"));
    faults.extend(differences("an alarm on the dashboard", &asked.collect(), &shown));
    faults
}

/// Whether the dashboard shows whatever is measured, and nothing else.
fn shows(template: &Template, body: &Value) -> Vec<String> {
    let watched: Vec<_> = widgets(body).flat_map(watched_by_widget).collect();
    let mut faults: Vec<_> = watched.iter().filter_map(|watched| unknown(template, watched)).collect();
    for meter in METRICS {
        if watched.iter().all(|watched| watched.name != meter.name) {
            faults.push(format!("the dashboard does not show {}", meter.name));
        }
    }
    faults
}

/// The metrics of a widget: each is `[namespace, name, dimension, value, …, { how it looks }]`, or searched for. None is
/// said by half, as a dashboard might, with dots for what the one before it has, too.
fn watched_by_widget(widget: &Value) -> Vec<Watched> {
    let by = format!("the widget {}", widget["properties"]["title"]);
    let mut watched = Vec::new();
    for metric in widget["properties"]["metrics"].as_array().into_iter().flatten() {
        let words: Vec<_> = metric.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if let [namespace, name, dimensions @ ..] = words.as_slice() {
            let pairs =
                dimensions.chunks(2).map(|pair| (pair[0].to_owned(), pair.get(1).map(|value| (*value).to_owned())));
            watched.push(Watched {
                by: by.clone(),
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
            watched.push(Watched {
                by: by.clone(),
                namespace: words.next().unwrap_or_default(),
                name: rest.split('"').next().unwrap_or_default().to_owned(),
                dimensions: words.map(|dimension| (dimension, None)).collect(),
            });
        }
    }
    watched
}
