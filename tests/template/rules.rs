//! What the code asks of the template.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::http::Code;
use tests::{Auth, ROUTES, Template};

use crate::settings::{SECRET, read_by};

/// Routes without a key: what links in mails open, what their pages call, and what whoever watches the service asks.
const KEYLESS: [(&str, &str); 7] = [
    ("get", "/verify-email"),
    ("get", "/reset-password"),
    ("post", "/api/auth/verify-email"),
    ("post", "/api/auth/reset-password"),
    ("get", "/health"),
    ("get", "/ready"),
    ("get", "/openapi.json"),
];

/// Functions that a schedule starts.
const SCHEDULED: [&str; 2] = ["purge", "mail"];

/// Where a template does not fit the code.
pub(crate) fn faults(template: &Template) -> Vec<String> {
    let checks =
        [routes, functions, variables, policies, telemetry_policy, schedules, gateway_responses, logs, parameters];
    checks.into_iter().flat_map(|check| check(template)).collect()
}

/// What is in one of two sets alone.
pub(crate) fn differences<T: Ord + std::fmt::Debug>(
    what: &str,
    asked: &BTreeSet<T>,
    given: &BTreeSet<T>,
) -> Vec<String> {
    let missing = asked.difference(given).map(|one| format!("{what} is missing: {one:?}"));
    let excess = given.difference(asked).map(|one| format!("{what} is too much: {one:?}"));
    missing.chain(excess).collect()
}

fn routes(template: &Template) -> Vec<String> {
    let given = template.routes().into_iter();
    let given = given.map(|route| (route.function, route.method, route.path, route.needs_key, route.needs_object));
    // What is no path of the API.
    let unknown = ("health".to_owned(), "any".to_owned(), "/{proxy+}".to_owned(), false, false);
    let mut asked = BTreeSet::from([unknown]);
    for (function, method, path, auth) in ROUTES {
        let needs_key = !KEYLESS.contains(&(method, path));
        // Who shows a token is told first whether it is good, and only then what is wrong with the body.
        let needs_object = method == "post" && auth == Auth::None;
        asked.insert((function.to_owned(), method.to_owned(), path.to_owned(), needs_key, needs_object));
        // It is answered like GET, and so must not be freer.
        if method == "get" && (needs_key || path == "/ready") {
            asked.insert((function.to_owned(), "head".to_owned(), path.to_owned(), needs_key, false));
        }
        // Preflights, and what is no method of the path.
        asked.insert((function.to_owned(), "any".to_owned(), path.to_owned(), false, false));
    }
    differences("a route", &asked, &given.collect())
}

fn functions(template: &Template) -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../functions");
    let asked = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("readable"));
    let asked = asked.filter(|entry| entry.path().is_dir());
    let asked = asked.map(|entry| entry.file_name().into_string().expect("a name"));
    let given = template.functions().into_keys().map(str::to_owned).collect();
    let mut faults = differences("a function", &asked.filter(|name| name != "local").collect(), &given);
    for (name, (_, function)) in template.functions() {
        // The tables come before the code that reads them.
        if (function["DependsOn"] == "Migrations") == (name == "migrate") {
            faults.push(format!("the function {name} and the migrations come in the wrong order"));
        }
        if function["Properties"]["Architectures"] != json!(["arm64"]) {
            faults.push(format!("the function {name} is built for another processor"));
        }
    }
    faults
}

fn variables(template: &Template) -> Vec<String> {
    let functions = template.functions();
    let differences = |name: &&str| {
        let given = template.variables(name).into_keys().collect();
        differences(&format!("a variable of {name}"), &read_by(name), &given)
    };
    functions.keys().flat_map(differences).collect()
}

/// Each function may read the secret, and what a schedule starts may tell of failures; none may do anything else, unless
/// telemetry is handed on.
fn policies(template: &Template) -> Vec<String> {
    let secret = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:${SecretName}";
    let mut faults = Vec::new();
    for (name, (_, function)) in template.functions() {
        let read = json!({ "Fn::Sub": format!("{secret}-??????") });
        let mut asked = BTreeSet::from([("secretsmanager:GetSecretValue".to_owned(), read.to_string())]);
        if SCHEDULED.contains(&name) {
            asked.insert(("sqs:SendMessage".to_owned(), json!({ "Fn::GetAtt": ["FailedRuns", "Arn"] }).to_string()));
        }
        let role = function["Properties"]["Role"]["Fn::GetAtt"][0].as_str().unwrap_or_default();
        let role = &template.json()["Resources"][role]["Properties"];
        let documents = role["Policies"].as_array().into_iter().flatten().map(|policy| &policy["PolicyDocument"]);
        let statements = documents.flat_map(statements);
        faults.extend(differences(
            &format!("a permission of {name}"),
            &asked,
            &statements.flat_map(permissions).collect(),
        ));
        let managed = &role["ManagedPolicyArns"];
        // To write logs, and to be in a private network, for which SAM adds the second whether or not there is one.
        let [logs, network] = ["AWSLambdaBasicExecutionRole", "AWSLambdaVPCAccessExecutionRole"]
            .map(|policy| format!("arn:aws:iam::aws:policy/service-role/{policy}"));
        let telemetry = json!({ "Fn::If": ["HasTelemetry", { "Ref": "TelemetryPolicy" }, { "Ref": "AWS::NoValue" }] });
        if *managed != json!([logs, network, telemetry]) {
            faults.push(format!("a managed policy of {name} is not one of the usual: {managed}"));
        }
        if function["Properties"]["Environment"]["Variables"]["SECRETS_ARN"] != json!({ "Fn::Sub": secret }) {
            faults.push(format!("{name} is told of another secret than it may read"));
        }
    }
    faults
}

/// What functions may do where telemetry is handed on: with a condition each, and no more than it takes.
fn telemetry_policy(template: &Template) -> Vec<String> {
    let key = json!({ "Ref": "DatadogApiKeySecretArn" });
    let asked = [
        ("HasTraces", "xray:PutTraceSegments", json!("*")),
        ("HasTraces", "xray:PutTelemetryRecords", json!("*")),
        ("HasDatadog", "secretsmanager:GetSecretValue", key),
    ];
    let asked = asked.map(|(condition, action, on)| (Some(condition.to_owned()), (action.to_owned(), on.to_string())));
    let policy = &template.json()["Resources"]["TelemetryPolicy"]["Properties"]["PolicyDocument"];
    let given = statements(policy).flat_map(|statement| {
        let (condition, statement) = match statement["Fn::If"].as_array().map(Vec::as_slice) {
            Some([condition, statement, _]) => (condition.as_str().map(str::to_owned), statement),
            _ => (None, statement),
        };
        permissions(statement).into_iter().map(move |permission| (condition.clone(), permission))
    });
    differences("a permission of the telemetry policy", &BTreeSet::from(asked), &given.collect())
}

fn statements(document: &Value) -> impl Iterator<Item = &Value> {
    document["Statement"].as_array().into_iter().flatten()
}

/// The actions that a statement allows, each with what it is allowed on.
fn permissions(statement: &Value) -> Vec<(String, String)> {
    let actions = match &statement["Action"] {
        Value::Array(actions) => actions.iter().collect(),
        action => vec![action],
    };
    let name = |action: &Value| action.as_str().unwrap_or_default().to_owned();
    actions.into_iter().map(|action| (name(action), statement["Resource"].to_string())).collect()
}

/// What the scheduler cannot hand over, and what fails, is kept.
fn schedules(template: &Template) -> Vec<String> {
    let resources = &template.json()["Resources"];
    let mut faults = Vec::new();
    let mut scheduled = BTreeSet::new();
    for (name, schedule) in template.resources("AWS::Scheduler::Schedule") {
        let target = &schedule["Properties"]["Target"];
        if target["DeadLetterConfig"]["Arn"] != json!({ "Fn::GetAtt": ["MissedRuns", "Arn"] }) {
            faults.push(format!("runs that {name} misses are lost"));
        }
        let expression = schedule["Properties"]["ScheduleExpression"].as_str().unwrap_or_default();
        if !is_schedule(expression) {
            faults.push(format!("{name} comes at no time: {expression}"));
        }
        if !schedule["Properties"]["Name"].is_null() {
            faults.push(format!("{name} has a name of its own, which two stacks of an account cannot share"));
        }
        let alias = target["Arn"]["Ref"].as_str().unwrap_or_default();
        scheduled.insert(resources[alias]["Properties"]["FunctionName"]["Ref"].as_str().unwrap_or_default());
    }
    let functions = template.functions();
    let asked = SCHEDULED.iter().filter_map(|name| functions.get(name)).map(|(resource, _)| *resource);
    faults.extend(differences("a schedule", &asked.collect(), &scheduled));
    for name in scheduled {
        let config = &resources[format!("{name}EventInvokeConfig")]["Properties"]["DestinationConfig"]["OnFailure"];
        if config["Destination"] != json!({ "Fn::GetAtt": ["FailedRuns", "Arn"] }) {
            faults.push(format!("failed runs of {name} are lost"));
        }
    }
    faults
}

/// Whether the scheduler takes `expression`, which cfn-lint does not look at
/// (<https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html>).
fn is_schedule(expression: &str) -> bool {
    let Some((kind, inner)) = expression.strip_suffix(')').and_then(|rest| rest.split_once('(')) else { return false };
    let words: Vec<_> = inner.split(' ').collect();
    match (kind, words.as_slice()) {
        ("rate", ["1", unit]) => ["minute", "hour", "day"].contains(unit),
        ("rate", [number, unit]) => number.parse::<u32>().is_ok() && ["minutes", "hours", "days"].contains(unit),
        ("cron", fields) => fields.len() == 6,
        _ => false,
    }
}

/// Whatever the gateway says itself has the shape of what the functions say.
fn gateway_responses(template: &Template) -> Vec<String> {
    let named = template.gateway_responses().as_object().into_iter().flatten().map(|(kind, _)| kind.as_str());
    let kinds: BTreeSet<_> =
        named.chain(["DEFAULT_4XX", "DEFAULT_5XX", "THROTTLED", "MISSING_AUTHENTICATION_TOKEN"]).collect();
    let mut faults = Vec::new();
    for kind in kinds {
        let answer = template.gateway_response(kind, "the id");
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let code = serde_json::from_value::<Code>(body["code"].clone());
        let has_shape = body["error"] == true && body["request_id"] == "the id" && body["message"].is_string();
        if !has_shape || code.is_err() {
            faults.push(format!("the gateway response {kind} has another shape than errors have: {body}"));
        } else if code.is_ok_and(|code| code.status().as_u16() != answer.status) {
            faults.push(format!("the gateway response {kind} has another status than its code: {}", answer.status));
        }
        let waits = [429, 503].contains(&answer.status);
        let headers = ["access-control-allow-origin", "cache-control", "x-content-type-options", "x-request-id"];
        for header in headers.into_iter().chain(waits.then_some("retry-after")) {
            if answer.header(header).is_none() {
                faults.push(format!("the gateway response {kind} lacks the header {header}"));
            }
        }
    }
    faults
}

fn logs(template: &Template) -> Vec<String> {
    let groups = template.resources("AWS::Logs::LogGroup");
    let endless = groups.filter(|(_, group)| group["Properties"]["RetentionInDays"].is_null());
    endless.map(|(name, _)| format!("{name} is kept for ever")).collect()
}

/// Whatever `samconfig.toml` sets is there to be set.
fn parameters(template: &Template) -> Vec<String> {
    let config = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../samconfig.toml")).expect("a file");
    let set = config.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once('=')).map(|(name, _)| name);
    let unknown = set.filter(|name| template.json()["Parameters"][name].is_null());
    unknown.map(|name| format!("samconfig.toml sets {name}, which is no parameter")).collect()
}

/// Secrets are named in the environment, so that a person can set them, and empty.
#[test]
fn no_secret_is_in_the_template() {
    for name in Template::project().functions().into_keys() {
        let variables = Template::project().variables(name);
        assert!(SECRET.iter().all(|secret| variables[secret] == Some("")), "{name}");
    }
}

/// `cargo lambda watch` leads each path where the template does.
#[test]
fn people_find_the_same_functions() {
    let manifest = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml")).expect("a file");
    let (_, rest) = manifest.split_once("[workspace.metadata.lambda.watch.router]").expect("a section");
    let lines = rest.lines().skip(1).take_while(|line| !line.starts_with('['));
    let led: Vec<(&str, &str)> = lines
        .filter_map(|line| line.split_once(" = "))
        .map(|(path, function)| (path.trim_matches('"'), function.trim_matches('"')))
        .collect();
    for (function, _, path, _) in ROUTES {
        let leads = |&&(pattern, _): &&(&str, &str)| match pattern.strip_suffix("{*rest}") {
            Some(folder) => path.starts_with(folder),
            None => path == pattern,
        };
        assert_eq!(led.iter().find(leads).map(|(_, function)| *function), Some(function), "{path}");
    }
}
