//! Rules that keep the template consistent with the code.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::http::Code;
use tests::{Auth, ROUTES, Template};

use crate::settings::{SECRET_VARIABLES, source, variables_of};

/// Routes without an API key: targets of links in emails, the calls of their pages, and health checks.
const ROUTES_WITHOUT_API_KEY: [(&str, &str); 8] = [
    ("get", "/verify-email"),
    ("get", "/reset-password"),
    ("post", "/api/auth/verify-email"),
    ("post", "/api/auth/reset-password"),
    ("get", "/health"),
    ("get", "/ready"),
    ("get", "/openapi.json"),
    ("get", "/docs"),
];

/// Functions that a schedule invokes.
const SCHEDULED: [&str; 2] = ["purge", "mail"];

/// Returns all inconsistencies of the template with the code.
pub(crate) fn violations(template: &Template) -> Vec<String> {
    let checks = [
        routes,
        functions,
        variables,
        roles,
        function_policy,
        schedules,
        gateway_responses,
        gateway_account,
        logs,
        parameters,
    ];
    checks.into_iter().flat_map(|check| check(template)).collect()
}

/// Returns the elements that only one of the two sets contains.
pub(crate) fn differences<T: Ord + std::fmt::Debug>(
    name: &str,
    expected: &BTreeSet<T>,
    actual: &BTreeSet<T>,
) -> Vec<String> {
    let missing = expected.difference(actual).map(|item| format!("{name} is missing: {item:?}"));
    let unexpected = actual.difference(expected).map(|item| format!("{name} is unexpected: {item:?}"));
    missing.chain(unexpected).collect()
}

fn routes(template: &Template) -> Vec<String> {
    let actual = template.routes().into_iter();
    let actual = actual.map(|route| (route.function, route.method, route.path, route.needs_key, route.needs_object));
    // Paths outside the API.
    let unknown = ("health".to_owned(), "any".to_owned(), "/{proxy+}".to_owned(), false, false);
    let mut expected = BTreeSet::from([unknown]);
    for (function, method, path, auth) in ROUTES {
        let needs_key = !ROUTES_WITHOUT_API_KEY.contains(&(method, path));
        // Routes with a token check the token before the body.
        let needs_object = method == "post" && auth == Auth::None;
        expected.insert((function.to_owned(), method.to_owned(), path.to_owned(), needs_key, needs_object));
        // HEAD is handled like GET and must have the same access control.
        if method == "get" && (needs_key || path == "/ready") {
            expected.insert((function.to_owned(), "head".to_owned(), path.to_owned(), needs_key, false));
        }
        // Preflight requests, and methods that the path does not support.
        expected.insert((function.to_owned(), "any".to_owned(), path.to_owned(), false, false));
    }
    differences("a route", &expected, &actual.collect())
}

fn functions(template: &Template) -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../functions");
    let expected = std::fs::read_dir(folder).expect("the folder is readable").map(|entry| entry.expect("readable"));
    let expected = expected.filter(|entry| entry.path().is_dir());
    let expected = expected.map(|entry| entry.file_name().into_string().expect("the name is valid UTF-8"));
    let actual = template.functions().into_keys().map(str::to_owned).collect();
    let mut violations = differences("a function", &expected.filter(|name| name != "local").collect(), &actual);
    for (name, (_, function)) in template.functions() {
        if function["Properties"]["Architectures"] != json!(["arm64"]) {
            violations.push(format!("the function {name} is not built for arm64"));
        }
    }
    violations
}

fn variables(template: &Template) -> Vec<String> {
    let functions = template.functions();
    let differences = |name: &&str| {
        let actual = template.variables(name).into_keys().collect();
        differences(&format!("a variable of {name}"), &variables_of(name), &actual)
    };
    functions.keys().flat_map(differences).collect()
}

/// Each function has the permissions of `FunctionPolicy`. Scheduled ones may also send to the failure queue.
fn roles(template: &Template) -> Vec<String> {
    let secret = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:${SecretName}";
    let mut violations = Vec::new();
    for (name, (_, function)) in template.functions() {
        let queue = json!({ "Fn::GetAtt": ["FailedRuns", "Arn"] }).to_string();
        let expected = SCHEDULED.contains(&name).then(|| ("sqs:SendMessage".to_owned(), queue));
        let role = function["Properties"]["Role"]["Fn::GetAtt"][0].as_str().unwrap_or_default();
        let role = &template.json()["Resources"][role]["Properties"];
        let documents = role["Policies"].as_array().into_iter().flatten().map(|policy| &policy["PolicyDocument"]);
        let statements = documents.flat_map(statements);
        violations.extend(differences(
            &format!("a permission of {name}"),
            &expected.into_iter().collect(),
            &statements.flat_map(permissions).collect(),
        ));
        let managed_policies = &role["ManagedPolicyArns"];
        // Permissions to write logs and to join a VPC. SAM adds the latter even if no VPC is configured.
        let [logs, network] = ["AWSLambdaBasicExecutionRole", "AWSLambdaVPCAccessExecutionRole"]
            .map(|policy| format!("arn:aws:iam::aws:policy/service-role/{policy}"));
        if *managed_policies != json!([logs, network, { "Ref": "FunctionPolicy" }]) {
            violations.push(format!("the function {name} has unexpected managed policies: {managed_policies}"));
        }
        if function["Properties"]["Environment"]["Variables"]["SECRETS_ARN"] != json!({ "Fn::Sub": secret }) {
            violations.push(format!("{name} reads another secret than its policy allows"));
        }
    }
    violations
}

/// The policy of all functions contains exactly the required permissions, each under its condition.
fn function_policy(template: &Template) -> Vec<String> {
    let secret = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:${SecretName}-??????";
    let url = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/sql-studio-sync/${AWS::StackName}/public-url";
    let expected = [
        (None, "secretsmanager:GetSecretValue", json!({ "Fn::Sub": secret })),
        (Some("HasSecretKey"), "kms:Decrypt", json!({ "Ref": "SecretKeyArn" })),
        (None, "ssm:GetParameter", json!({ "Fn::Sub": url })),
        (Some("HasTraces"), "xray:PutTraceSegments", json!("*")),
        (Some("HasTraces"), "xray:PutTelemetryRecords", json!("*")),
        (Some("HasDatadog"), "secretsmanager:GetSecretValue", json!({ "Ref": "DatadogApiKeySecretArn" })),
    ];
    let expected = expected
        .map(|(condition, action, resource)| (condition.map(str::to_owned), (action.to_owned(), resource.to_string())));
    let policy = &template.json()["Resources"]["FunctionPolicy"]["Properties"]["PolicyDocument"];
    let actual = statements(policy).flat_map(|statement| {
        let (condition, statement) = match statement["Fn::If"].as_array().map(Vec::as_slice) {
            Some([condition, statement, _]) => (condition.as_str().map(str::to_owned), statement),
            _ => (None, statement),
        };
        permissions(statement).into_iter().map(move |permission| (condition.clone(), permission))
    });
    differences("a permission of the functions", &BTreeSet::from(expected), &actual.collect())
}

fn statements(document: &Value) -> impl Iterator<Item = &Value> {
    document["Statement"].as_array().into_iter().flatten()
}

/// Returns the actions that a statement allows, each with its resource.
fn permissions(statement: &Value) -> Vec<(String, String)> {
    let actions = match &statement["Action"] {
        Value::Array(actions) => actions.iter().collect(),
        action => vec![action],
    };
    let name = |action: &Value| action.as_str().unwrap_or_default().to_owned();
    actions.into_iter().map(|action| (name(action), statement["Resource"].to_string())).collect()
}

/// Missed and failed runs of schedules are kept in queues.
fn schedules(template: &Template) -> Vec<String> {
    let resources = &template.json()["Resources"];
    let mut violations = Vec::new();
    let mut scheduled = BTreeSet::new();
    for (name, schedule) in template.resources("AWS::Scheduler::Schedule") {
        let target = &schedule["Properties"]["Target"];
        if target["DeadLetterConfig"]["Arn"] != json!({ "Fn::GetAtt": ["MissedRuns", "Arn"] }) {
            violations.push(format!("the schedule {name} has no dead-letter queue"));
        }
        let expression = schedule["Properties"]["ScheduleExpression"].as_str().unwrap_or_default();
        if !is_schedule(expression) {
            violations.push(format!("{name} has an invalid schedule expression: {expression}"));
        }
        // Until then, the functions would fail.
        let waits = schedule["DependsOn"].to_string();
        if !waits.contains("FirstPurge") {
            violations.push(format!("the schedule {name} may start before the service is complete"));
        }
        if !schedule["Properties"]["Name"].is_null() {
            violations.push(format!("{name} has a fixed name, so two stacks of an account cannot coexist"));
        }
        let alias = target["Arn"]["Ref"].as_str().unwrap_or_default();
        scheduled.insert(resources[alias]["Properties"]["FunctionName"]["Ref"].as_str().unwrap_or_default());
    }
    let functions = template.functions();
    let expected = SCHEDULED.iter().filter_map(|name| functions.get(name)).map(|(resource, _)| *resource);
    violations.extend(differences("a schedule", &expected.collect(), &scheduled));
    for name in scheduled {
        let config = &resources[format!("{name}EventInvokeConfig")]["Properties"]["DestinationConfig"]["OnFailure"];
        if config["Destination"] != json!({ "Fn::GetAtt": ["FailedRuns", "Arn"] }) {
            violations.push(format!("{name} has no destination for failed runs"));
        }
    }
    violations
}

/// Returns whether the schedule expression is valid, which cfn-lint does not check
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

/// Responses that the gateway generates itself have the schema of the responses of the functions.
fn gateway_responses(template: &Template) -> Vec<String> {
    let named = template.gateway_responses().as_object().into_iter().flatten().map(|(kind, _)| kind.as_str());
    let kinds: BTreeSet<_> =
        named.chain(["DEFAULT_4XX", "DEFAULT_5XX", "THROTTLED", "MISSING_AUTHENTICATION_TOKEN"]).collect();
    let mut violations = Vec::new();
    for kind in kinds {
        let response = template.gateway_response(kind, "the id");
        let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        let code = serde_json::from_value::<Code>(body["code"].clone());
        let has_error_schema = body["error"] == true && body["request_id"] == "the id" && body["message"].is_string();
        if !has_error_schema || code.is_err() {
            violations.push(format!("the gateway response {kind} does not have the error schema: {body}"));
        } else if code.is_ok_and(|code| code.status().as_u16() != response.status) {
            violations.push(format!(
                "the gateway response {kind} has a status that does not match its code: {}",
                response.status
            ));
        }
        let is_retryable = [429, 503].contains(&response.status);
        let headers = ["access-control-allow-origin", "cache-control", "x-content-type-options", "x-request-id"];
        for header in headers.into_iter().chain(is_retryable.then_some("retry-after")) {
            if response.header(header).is_none() {
                violations.push(format!("the gateway response {kind} lacks the header {header}"));
            }
        }
    }
    violations
}

/// API Gateway refuses a role for logs in an account that has never had any other of its resources
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-apigateway-account.html>).
fn gateway_account(template: &Template) -> Vec<String> {
    let accounts = template.resources("AWS::ApiGateway::Account");
    let waits = |account: &Value| {
        let first = &template.json()["Resources"][account["DependsOn"].as_str().unwrap_or_default()];
        first["Type"].as_str().is_some_and(|kind| kind.starts_with("AWS::ApiGateway::"))
    };
    let early = accounts.filter(|(_, account)| !waits(account));
    early.map(|(name, _)| format!("{name} may be the first resource of API Gateway in an account")).collect()
}

fn logs(template: &Template) -> Vec<String> {
    let groups = template.resources("AWS::Logs::LogGroup");
    let without_retention = groups.filter(|(_, group)| group["Properties"]["RetentionInDays"].is_null());
    without_retention.map(|(name, _)| format!("{name} has no retention period")).collect()
}

/// Every parameter that `samconfig.toml` sets exists. Every parameter is described in the operator's guide, and has a place on the
/// page of the AWS console.
fn parameters(template: &Template) -> Vec<String> {
    let readme = source("functions/README.md");
    let groups = template.json()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"].to_string();
    let names = template.json()["Parameters"].as_object().into_iter().flatten().map(|(name, _)| name);
    let mut violations = Vec::new();
    for name in names {
        if !readme.contains(&format!("`{name}`")) {
            violations.push(format!("functions/README.md does not describe the parameter {name}"));
        }
        if !groups.contains(&format!("\"{name}\"")) {
            violations.push(format!("the parameter {name} is in no group"));
        }
    }
    let config = source("samconfig.toml");
    let names = config.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once('=')).map(|(name, _)| name);
    let unknown = names.filter(|name| template.json()["Parameters"][name].is_null());
    violations
        .extend(unknown.map(|name| format!("samconfig.toml sets {name}, which is not a parameter of the template")));
    violations
}

/// The environment declares secrets as empty variables, so that a developer can set them.
#[test]
fn the_template_contains_no_secret() {
    for name in Template::project().functions().into_keys() {
        let variables = Template::project().variables(name);
        assert!(SECRET_VARIABLES.iter().all(|secret| variables[secret] == Some("")), "{name}");
    }
}

/// `cargo lambda watch` routes each path to the same function as the template.
#[test]
fn cargo_lambda_watch_has_the_routes_of_the_template() {
    let manifest = source("Cargo.toml");
    let (_, rest) = manifest.split_once("[workspace.metadata.lambda.watch.router]").expect("the section exists");
    let lines = rest.lines().skip(1).take_while(|line| !line.starts_with('['));
    let routes: Vec<(&str, &str)> = lines
        .filter_map(|line| line.split_once(" = "))
        .map(|(path, function)| (path.trim_matches('"'), function.trim_matches('"')))
        .collect();
    for (function, _, path, _) in ROUTES {
        let matches_path = |&&(pattern, _): &&(&str, &str)| match pattern.strip_suffix("{*rest}") {
            Some(folder) => path.starts_with(folder),
            None => path == pattern,
        };
        assert_eq!(routes.iter().find(matches_path).map(|(_, function)| *function), Some(function), "{path}");
    }
}
