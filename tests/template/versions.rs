//! The descriptions of the functions' versions, by which alone a change of a parameter takes effect.

use std::collections::BTreeSet;

use serde_json::Value;
use tests::Template;

use crate::rules::differences;

/// Parameters of a deployment that has everything; the others are as they are by default.
const EVERYTHING: [(&str, &str); 11] = [
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

/// Most characters of a version's description
/// (<https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html>).
const LONGEST_OF_VERSION: usize = 256;
/// Most characters of a policy's description
/// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html>).
const LONGEST_OF_POLICY: usize = 1_000;

/// Where a version does not tell what its function depends on, or cannot tell it.
pub(crate) fn faults(template: &Template) -> Vec<String> {
    let functions = template.functions();
    let of_functions = functions.iter().flat_map(|(name, (resource, function))| {
        let version = template
            .resources("AWS::Lambda::Version")
            .find(|(_, version)| version["Properties"]["FunctionName"]["Ref"] == **resource);
        let description = version.map_or(&Value::Null, |(_, version)| &version["Properties"]["Description"]);
        let mut faults = unpublished(template, name, function, description);
        faults.extend(too_long(template, &format!("the version of {name}"), description, LONGEST_OF_VERSION));
        faults
    });
    let policies = template.resources("AWS::IAM::ManagedPolicy").flat_map(|(name, policy)| {
        too_long(template, &format!("the policy {name}"), &policy["Properties"]["Description"], LONGEST_OF_POLICY)
    });
    of_functions.chain(policies).collect()
}

/// The parameters that change a function, but make no new version of it; and those that make one which is the same.
fn unpublished(template: &Template, name: &str, function: &Value, description: &Value) -> Vec<String> {
    let resources = &template.json()["Resources"];
    let parts = ["Environment", "VpcConfig", "Layers"].map(|part| &function["Properties"][part]);
    let used = parts.into_iter().flat_map(|part| parameters_in(template, part)).collect();
    let mut described = parameters_in(template, description);
    // A policy with another description has another id.
    for policy in references(description).iter().map(|name| &resources[name.as_str()]) {
        if policy["Type"] == "AWS::IAM::ManagedPolicy" {
            described.extend(parameters_in(template, &policy["Properties"]["Description"]));
        }
    }
    differences(&format!("a parameter in the version of {name}"), &used, &described)
}

fn too_long(template: &Template, whose: &str, description: &Value, longest: usize) -> Option<String> {
    let length = resolved(template, description).as_str().map_or(0, |text| text.chars().count());
    (length > longest).then(|| format!("{whose} is described in {length} characters"))
}

/// The parameters that a part of the template depends on, by itself or by conditions.
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

/// Whatever a part of the template refers to.
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

/// What becomes of a part of the template where there is everything.
fn resolved(template: &Template, part: &Value) -> Value {
    let fields = part.as_object().filter(|fields| fields.len() == 1);
    let Some((function, argument)) = fields.and_then(|fields| fields.iter().next()) else {
        let Value::Array(parts) = part else { return part.clone() };
        return parts.iter().map(|part| resolved(template, part)).collect();
    };
    let argument = resolved(template, argument);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let holds =
        |condition: &Value| resolved(template, &template.json()["Conditions"][text(condition)]) == Value::Bool(true);
    match function.as_str() {
        "Ref" => given(template, &text(&argument)),
        // As long as any id of a policy.
        "Fn::GetAtt" => "ANPAIOSFODNN7EXAMPLE1".into(),
        "Fn::Join" => {
            let words: Vec<_> = argument[1].as_array().into_iter().flatten().map(text).collect();
            words.join(&text(&argument[0])).into()
        }
        "Fn::If" => argument[if holds(&argument[0]) { 1 } else { 2 }].clone(),
        "Condition" => holds(&argument).into(),
        "Fn::Equals" => (argument[0] == argument[1]).into(),
        "Fn::Not" => (argument[0] == Value::Bool(false)).into(),
        "Fn::Or" => argument.as_array().is_some_and(|all| all.contains(&Value::Bool(true))).into(),
        _ => part.clone(),
    }
}

/// What the parameter `name` is given.
fn given(template: &Template, name: &str) -> Value {
    let parameter = &template.json()["Parameters"][name];
    let said = EVERYTHING.iter().find(|(one, _)| *one == name).map(|(_, value)| Value::from(*value));
    let value = said.unwrap_or_else(|| parameter["Default"].clone());
    if parameter["Type"] == "CommaDelimitedList" {
        value.as_str().unwrap_or_default().split(',').collect()
    } else {
        value
    }
}
