//! Limits of AWS that the schemas of cfn-lint lack, checked on a resolved template.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tests::Template;

use crate::identifiers::{NAMES, SUFFIX};

/// Maximum size of the environment of a function in bytes, as JSON
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
const MAX_ENVIRONMENT: usize = 4_096;

/// Maximum size of the resource-based policy of a function or alias in bytes (same page).
const MAX_FUNCTION_POLICY: usize = 20_480;

/// Maximum sizes in characters without white space: of all inline policies of a role, of a managed policy, and of a trust
/// policy; and maximum number of managed policies of a role
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
const MAX_INLINE_POLICIES: usize = 10_240;
const MAX_MANAGED_POLICY: usize = 6_144;
const MAX_TRUST_POLICY: usize = 2_048;
const MAX_MANAGED_POLICIES: usize = 10;

/// Maximum numbers of resources, parameters and outputs, and sizes of the template and its description in bytes
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html>).
const MAX_RESOURCES: usize = 500;
const MAX_PARAMETERS: usize = 200;
const MAX_OUTPUTS: usize = 200;
const MAX_TEMPLATE: usize = 1_000_000;
const MAX_DESCRIPTION: usize = 1_024;

/// Minimum and maximum length of an API key
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-usage-plans.html>).
const API_KEY: std::ops::RangeInclusive<usize> = 20..=128;

/// Maximum numbers of widgets of a dashboard and metrics of a widget
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html>).
const MAX_WIDGETS: usize = 500;
const MAX_WIDGET_METRICS: usize = 500;

/// Maximum duration that an alarm evaluates in seconds, with periods below one hour, and with longer ones
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html>).
const MAX_EVALUATION: u64 = 86_400;
const MAX_LONG_EVALUATION: u64 = 604_800;

/// Maximum timeout of a custom resource in seconds
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudformation-customresource.html>).
const MAX_SERVICE_TIMEOUT: u64 = 3_600;

/// Returns all limits that a resolved template exceeds.
pub(crate) fn violations(template: &Template) -> Vec<String> {
    let checks = [environments, function_policies, roles, managed_policies, names, api_keys, alarms, dashboards];
    let more = [throttles, custom_resources, concurrency];
    checks.into_iter().chain(more).flat_map(|check| check(template)).collect()
}

/// Returns the limits of a whole template, before it is resolved, that are exceeded.
pub(crate) fn template_violations(template: &Template) -> Vec<String> {
    let count = |section: &str| template.json()[section].as_object().map_or(0, serde_json::Map::len);
    let description = template.json()["Description"].as_str().unwrap_or_default().len();
    let limits = [
        ("number of resources", count("Resources"), MAX_RESOURCES),
        ("number of parameters", count("Parameters"), MAX_PARAMETERS),
        ("number of outputs", count("Outputs"), MAX_OUTPUTS),
        ("length of the description", description, MAX_DESCRIPTION),
        ("size of the template", template.json().to_string().len(), MAX_TEMPLATE),
    ];
    limits.into_iter().filter_map(|(name, actual, max)| exceeded(name, actual, max)).collect()
}

fn exceeded(name: &str, actual: usize, max: usize) -> Option<String> {
    (actual > max).then(|| format!("the {name} is {actual}, at most {max}"))
}

fn properties<'a>(template: &'a Template, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    template.resources(kind).map(|(name, resource)| (name, &resource["Properties"]))
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map_or([].as_slice(), Vec::as_slice)
}

/// Returns a number that may be written as a text.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn environments(template: &Template) -> Vec<String> {
    let functions = properties(template, "AWS::Lambda::Function");
    let sizes = functions.map(|(name, function)| (name, function["Environment"]["Variables"].to_string().len()));
    sizes
        .filter_map(|(name, size)| exceeded(&format!("size of the environment of {name}"), size, MAX_ENVIRONMENT))
        .collect()
}

/// Returns the size in bytes of the resource-based policy of each function and alias, with the statements that Lambda
/// writes for its permissions.
pub(crate) fn function_policy_sizes(template: &Template) -> BTreeMap<String, usize> {
    let mut statements: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (name, permission) in properties(template, "AWS::Lambda::Permission") {
        let function = permission["FunctionName"].as_str().unwrap_or_default();
        let mut statement = json!({
            // CloudFormation makes a statement id of up to 100 characters.
            "Sid": format!("{name:x<86.86}-{SUFFIX}"),
            "Effect": "Allow",
            "Principal": { "Service": permission["Principal"] },
            "Action": permission["Action"],
            "Resource": function,
        });
        if let Some(source) = permission["SourceArn"].as_str() {
            statement["Condition"] = json!({ "ArnLike": { "AWS:SourceArn": source } });
        }
        statements.entry(function.to_owned()).or_default().push(statement);
    }
    let policy = |statements| json!({ "Version": "2012-10-17", "Id": "default", "Statement": statements });
    statements.into_iter().map(|(function, statements)| (function, policy(statements).to_string().len())).collect()
}

fn function_policies(template: &Template) -> Vec<String> {
    let sizes = function_policy_sizes(template).into_iter();
    let name = |function: &str| format!("size of the resource-based policy of {function}");
    sizes.filter_map(|(function, size)| exceeded(&name(&function), size, MAX_FUNCTION_POLICY)).collect()
}

fn roles(template: &Template) -> Vec<String> {
    let limits = properties(template, "AWS::IAM::Role").flat_map(|(name, role)| {
        let documents = items(&role["Policies"]).iter().map(|policy| policy["PolicyDocument"].to_string().len());
        [
            exceeded(&format!("size of the inline policies of {name}"), documents.sum(), MAX_INLINE_POLICIES),
            exceeded(
                &format!("size of the trust policy of {name}"),
                role["AssumeRolePolicyDocument"].to_string().len(),
                MAX_TRUST_POLICY,
            ),
            exceeded(
                &format!("number of managed policies of {name}"),
                items(&role["ManagedPolicyArns"]).len(),
                MAX_MANAGED_POLICIES,
            ),
        ]
    });
    limits.flatten().collect()
}

fn managed_policies(template: &Template) -> Vec<String> {
    let policies = properties(template, "AWS::IAM::ManagedPolicy");
    let sizes = policies.map(|(name, policy)| (name, policy["PolicyDocument"].to_string().len()));
    sizes.filter_map(|(name, size)| exceeded(&format!("size of the policy {name}"), size, MAX_MANAGED_POLICY)).collect()
}

fn names(template: &Template) -> Vec<String> {
    let limits = NAMES.iter().flat_map(|(kind, property, max)| {
        properties(template, kind).filter_map(move |(name, properties)| {
            let length = properties.pointer(&format!("/{property}"))?.as_str().map_or(0, |text| text.chars().count());
            exceeded(&format!("length of the name of {name}"), length, *max)
        })
    });
    limits.collect()
}

/// The values of API keys are alphanumeric and unique, and not too short or too long.
fn api_keys(template: &Template) -> Vec<String> {
    let mut violations = Vec::new();
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, key) in properties(template, "AWS::ApiGateway::ApiKey") {
        let Some(value) = key["Value"].as_str() else { continue };
        if !API_KEY.contains(&value.len()) || !value.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            violations.push(format!("the API key {name} has an invalid value: {value}"));
        }
        if let Some(other) = owners.insert(value, name) {
            violations.push(format!("the API keys {other} and {name} have the same value"));
        }
    }
    violations
}

fn alarms(template: &Template) -> Vec<String> {
    let mut violations = Vec::new();
    for (name, alarm) in properties(template, "AWS::CloudWatch::Alarm") {
        let metrics = items(&alarm["Metrics"]);
        let periods = metrics.iter().flat_map(|metric| [&metric["MetricStat"]["Period"], &metric["Period"]]);
        let period = periods.chain([&alarm["Period"]]).filter_map(number).max().unwrap_or_default();
        let duration = period * number(&alarm["EvaluationPeriods"]).unwrap_or_default();
        let max = if period < 3_600 { MAX_EVALUATION } else { MAX_LONG_EVALUATION };
        if duration == 0 || duration > max {
            violations.push(format!("the alarm {name} evaluates {duration} s, more than 0 and at most {max}"));
        }
    }
    violations
}

fn dashboards(template: &Template) -> Vec<String> {
    let mut violations = Vec::new();
    for (name, dashboard) in properties(template, "AWS::CloudWatch::Dashboard") {
        let body: Result<Value, _> = serde_json::from_str(dashboard["DashboardBody"].as_str().unwrap_or_default());
        let Ok(body) = body else {
            violations.push(format!("the body of {name} is not valid JSON"));
            continue;
        };
        let widgets = items(&body["widgets"]);
        violations.extend(exceeded(&format!("number of widgets of {name}"), widgets.len(), MAX_WIDGETS));
        let metrics = widgets.iter().map(|widget| items(&widget["properties"]["metrics"]).len()).max();
        let metrics = metrics.unwrap_or_default();
        violations.extend(exceeded(&format!("number of metrics of a widget of {name}"), metrics, MAX_WIDGET_METRICS));
    }
    violations
}

/// Throttles of usage plans and settings of methods name existing routes.
fn throttles(template: &Template) -> Vec<String> {
    let routes: Vec<_> =
        template.routes().iter().map(|route| format!("{}/{}", route.path, route.method.to_uppercase())).collect();
    let plans = properties(template, "AWS::ApiGateway::UsagePlan").flat_map(|(_, plan)| items(&plan["ApiStages"]));
    let limited =
        plans.flat_map(|stage| stage["Throttle"].as_object().into_iter().flatten()).map(|(route, _)| route.clone());
    let settings =
        properties(template, "AWS::ApiGateway::Stage").flat_map(|(_, stage)| items(&stage["MethodSettings"]));
    // A slash within the path is `~1`, and the first one is not escaped.
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of_methods = settings.filter(|setting| setting["HttpMethod"] != "*").map(|setting| {
        format!(
            "{}/{}",
            text(&setting["ResourcePath"]).replacen('/', "", 1).replace("~1", "/"),
            text(&setting["HttpMethod"])
        )
    });
    let unknown = limited.chain(of_methods).filter(|route| !routes.contains(route));
    unknown.map(|route| format!("a limit applies to {route}, which is not a route")).collect()
}

/// CloudFormation waits for a custom resource for at least as long as its function may run.
fn custom_resources(template: &Template) -> Vec<String> {
    let resources = template.json()["Resources"].as_object().into_iter().flatten();
    let custom =
        resources.filter(|(_, resource)| resource["Type"].as_str().unwrap_or_default().starts_with("Custom::"));
    let functions: Vec<_> = properties(template, "AWS::Lambda::Function").collect();
    let violation = |(resource_name, resource): (&String, &Value)| {
        let token = resource["Properties"]["ServiceToken"].as_str().unwrap_or_default();
        let name = token.split(':').nth(6).unwrap_or_default();
        let is_function = |(id, _): &&(&str, &Value)| name.ends_with(&format!("-{id}-{SUFFIX}"));
        let timeout =
            functions.iter().filter(is_function).filter_map(|(_, function)| number(&function["Timeout"])).max();
        let waits = number(&resource["Properties"]["ServiceTimeout"]).unwrap_or(MAX_SERVICE_TIMEOUT);
        let fits = timeout.is_some_and(|timeout| timeout <= waits) && waits <= MAX_SERVICE_TIMEOUT;
        (!fits).then(|| format!("{resource_name} times out after {waits} s, its function after {timeout:?} s"))
    };
    custom.filter_map(violation).collect()
}

/// Provisioned concurrency is part of the reserved concurrency
/// (<https://docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html>).
fn concurrency(template: &Template) -> Vec<String> {
    let aliases: Vec<_> = properties(template, "AWS::Lambda::Alias").collect();
    let violations = properties(template, "AWS::Lambda::Function").filter_map(|(name, function)| {
        let reserved = number(&function["ReservedConcurrentExecutions"])?;
        let provisioned = aliases.iter().filter(|(alias, _)| alias.starts_with(name));
        let provisioned: u64 = provisioned
            .filter_map(|(_, alias)| number(&alias["ProvisionedConcurrencyConfig"]["ProvisionedConcurrentExecutions"]))
            .sum();
        (provisioned > reserved).then(|| format!("{name} provisions {provisioned} instances, but reserves {reserved}"))
    });
    violations.collect()
}
