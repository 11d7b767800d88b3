//! Descriptions of function versions. A new version is published only when its description changes, so the description
//! must contain every parameter that the function depends on.

use std::collections::BTreeSet;

use serde_json::Value;
use tests::Template;

use crate::rules::differences;

/// Parameters of a deployment with all features; the others have their defaults.
const FULL_PARAMETERS: [(&str, &str); 11] = [
    ("Stage", "production"),
    ("SecretName", "sql-studio-sync/production"),
    ("DomainName", "sync.sqlstudio.app"),
    ("CorsOrigins", "https://sqlstudio.app,https://www.sqlstudio.app"),
    ("SubnetIds", "subnet-0123456789abcdef0,subnet-0123456789abcdef1,subnet-0123456789abcdef2"),
    ("SecurityGroupIds", "sg-0123456789abcdef0"),
    ("OtlpEndpoint", "http://localhost:4318"),
    ("TraceRatio", "0.05"),
    (
        "TelemetryLayers",
        "arn:aws:lambda:eu-central-1:901920570463:layer:aws-otel-collector-arm64-ver-0-117-0:1,\
         arn:aws:lambda:eu-central-1:464622532012:layer:Datadog-Extension-ARM:65",
    ),
    ("DatadogApiKeySecretArn", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:datadog-api-key-AbCdEf"),
    ("DatadogSite", "datadoghq.eu"),
];

/// Maximum length of the description of a version, in characters
/// (<https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html>).
const MAX_VERSION_DESCRIPTION: usize = 256;
/// Maximum length of the description of a policy, in characters
/// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html>).
const MAX_POLICY_DESCRIPTION: usize = 1_000;

/// Returns the versions whose descriptions lack a parameter of their function, and the descriptions that are too long.
pub(crate) fn violations(template: &Template) -> Vec<String> {
    let functions = template.functions();
    let version_violations = functions.iter().flat_map(|(name, (resource, function))| {
        let version = template
            .resources("AWS::Lambda::Version")
            .find(|(_, version)| version["Properties"]["FunctionName"]["Ref"] == **resource);
        let description = version.map_or(&Value::Null, |(_, version)| &version["Properties"]["Description"]);
        let mut violations = missing_parameters(template, name, function, description);
        violations.extend(description_length(
            template,
            &format!("the version of {name}"),
            description,
            MAX_VERSION_DESCRIPTION,
        ));
        violations
    });
    let policies = template.resources("AWS::IAM::ManagedPolicy").flat_map(|(name, policy)| {
        description_length(
            template,
            &format!("the policy {name}"),
            &policy["Properties"]["Description"],
            MAX_POLICY_DESCRIPTION,
        )
    });
    version_violations.chain(policies).collect()
}

/// Returns the parameters that change a function without changing the description of its version, and vice versa.
fn missing_parameters(template: &Template, name: &str, function: &Value, description: &Value) -> Vec<String> {
    let resources = &template.json()["Resources"];
    let parts = ["Environment", "VpcConfig", "Layers"].map(|part| &function["Properties"][part]);
    let used = parts.into_iter().flat_map(|part| parameters_in(template, part)).collect();
    let mut described = parameters_in(template, description);
    // The id of a policy changes with its description.
    for policy in references(description).iter().map(|name| &resources[name.as_str()]) {
        if policy["Type"] == "AWS::IAM::ManagedPolicy" {
            described.extend(parameters_in(template, &policy["Properties"]["Description"]));
        }
    }
    differences(&format!("a parameter in the version of {name}"), &used, &described)
}

fn description_length(template: &Template, owner: &str, description: &Value, max: usize) -> Option<String> {
    let length = evaluate(template, description).as_str().map_or(0, |text| text.chars().count());
    (length > max).then(|| format!("the description of {owner} has {length} characters"))
}

/// Returns the parameters that a part of the template depends on, directly or through conditions.
fn parameters_in(template: &Template, part: &Value) -> BTreeSet<String> {
    let (parameters, conditions) = (&template.json()["Parameters"], &template.json()["Conditions"]);
    let mut used = references(part);
    let mut new: Vec<_> = used.iter().cloned().collect();
    while let Some(name) = new.pop() {
        let indirect = references(&conditions[name.as_str()]).into_iter();
        new.extend(indirect.filter(|name| used.insert(name.clone())));
    }
    used.retain(|used| !parameters[used.as_str()].is_null());
    used
}

/// Returns all names that a part of the template refers to.
fn references(part: &Value) -> BTreeSet<String> {
    match part {
        Value::Array(parts) => parts.iter().flat_map(references).collect(),
        Value::Object(parts) => parts
            .iter()
            .flat_map(|(key, value)| match (key.as_str(), value) {
                ("Ref" | "Condition", Value::String(name)) => BTreeSet::from([name.clone()]),
                ("Fn::Sub", Value::String(text)) => {
                    let names = text.split("${").skip(1).filter_map(|rest| rest.split('}').next());
                    names.map(str::to_owned).collect()
                }
                ("Fn::If" | "Fn::GetAtt", Value::Array(parts)) => {
                    let first = parts.first().and_then(Value::as_str).map(str::to_owned);
                    parts.iter().flat_map(references).chain(first).collect()
                }
                _ => references(value),
            })
            .collect(),
        _ => BTreeSet::new(),
    }
}

/// Evaluates a part of the template with [`FULL_PARAMETERS`].
fn evaluate(template: &Template, part: &Value) -> Value {
    let fields = part.as_object().filter(|fields| fields.len() == 1);
    let Some((function, argument)) = fields.and_then(|fields| fields.iter().next()) else {
        let Value::Array(parts) = part else { return part.clone() };
        return parts.iter().map(|part| evaluate(template, part)).collect();
    };
    let argument = evaluate(template, argument);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let is_true =
        |condition: &Value| evaluate(template, &template.json()["Conditions"][text(condition)]) == Value::Bool(true);
    match function.as_str() {
        "Ref" => parameter_value(template, &text(&argument)),
        // An example with the length of a policy id.
        "Fn::GetAtt" => "ANPAIOSFODNN7EXAMPLE1".into(),
        "Fn::Join" => {
            let words: Vec<_> = argument[1].as_array().into_iter().flatten().map(text).collect();
            words.join(&text(&argument[0])).into()
        }
        "Fn::If" => argument[if is_true(&argument[0]) { 1 } else { 2 }].clone(),
        "Condition" => is_true(&argument).into(),
        "Fn::Equals" => (argument[0] == argument[1]).into(),
        "Fn::Not" => (argument[0] == Value::Bool(false)).into(),
        "Fn::Or" => argument.as_array().is_some_and(|all| all.contains(&Value::Bool(true))).into(),
        _ => part.clone(),
    }
}

/// Returns the value of the parameter `name`.
fn parameter_value(template: &Template, name: &str) -> Value {
    let parameter = &template.json()["Parameters"][name];
    let set = FULL_PARAMETERS.iter().find(|(other, _)| *other == name).map(|(_, value)| Value::from(*value));
    let value = set.unwrap_or_else(|| parameter["Default"].clone());
    if parameter["Type"] == "CommaDelimitedList" {
        value.as_str().unwrap_or_default().split(',').collect()
    } else {
        value
    }
}
