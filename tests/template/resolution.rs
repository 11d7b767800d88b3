//! Tests of the resolution of intrinsic functions, on small templates.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tests::Template;

use crate::parameters::{broken_constraints, broken_rules, rule_violations};
use crate::resolve::{Deployment, resolve};

fn deployment(parameters: &[(&str, &str)]) -> Deployment {
    let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Deployment {
        name: "test".to_owned(),
        stack: "stack".to_owned(),
        region: "eu-central-1",
        parameters: parameters.collect::<BTreeMap<_, _>>(),
    }
}

/// Returns a template with conditions and resources around the property `Value` of a resource.
fn template(value: &Value) -> Template {
    Template::new(json!({
        "Parameters": {
            "Text": { "Type": "String", "Default": "text" },
            "List": { "Type": "CommaDelimitedList", "Default": "a, b" },
            "Count": { "Type": "Number", "Default": 0 },
        },
        "Mappings": { "Map": { "key": { "name": "mapped" } } },
        "Conditions": {
            "Never": { "Fn::Equals": [{ "Ref": "Text" }, "other"] },
            "Always": { "Fn::And": [{ "Fn::Not": [{ "Condition": "Never" }] }, { "Fn::Equals": [{ "Ref": "Count" }, 0] }] },
        },
        "Resources": {
            "Queue": { "Type": "AWS::SQS::Queue", "Properties": {} },
            "Absent": { "Type": "AWS::SQS::Queue", "Condition": "Never", "Properties": {} },
            "Subject": { "Type": "AWS::SSM::Parameter", "DependsOn": ["Queue", "Absent"], "Properties": { "Value": value } },
        },
        "Outputs": {},
    }))
}

fn resolved(value: &Value) -> (Value, Vec<String>) {
    let (resolved, violations) = resolve(&template(value), &deployment(&[]));
    (resolved.json()["Resources"]["Subject"]["Properties"]["Value"].clone(), violations)
}

#[test]
fn functions_are_resolved() {
    let queue = "arn:aws:sqs:eu-central-1:123456789012:stack-Queue-1A2B3C4D5E6F7";
    let cases = [
        (json!({ "Ref": "Text" }), json!("text")),
        (json!({ "Ref": "List" }), json!(["a", "b"])),
        (json!({ "Ref": "AWS::NoValue" }), Value::Null),
        (json!(["x", { "Ref": "AWS::NoValue" }]), json!(["x"])),
        (json!({ "Fn::If": ["Always", "yes", "no"] }), json!("yes")),
        (json!({ "Fn::If": ["Never", "yes", "no"] }), json!("no")),
        (json!({ "Fn::Join": ["-", { "Ref": "List" }] }), json!("a-b")),
        (json!({ "Fn::Select": ["1", { "Fn::Split": [":", "a:b:c"] }] }), json!("b")),
        (json!({ "Fn::Sub": "${Text} ${!Text} ${Queue.Arn}" }), json!(format!("text ${{Text}} {queue}"))),
        (json!({ "Fn::Sub": ["${name} ${AWS::StackName}", { "name": { "Ref": "Text" } }] }), json!("text stack")),
        (json!({ "Fn::FindInMap": ["Map", "key", "name"] }), json!("mapped")),
        (json!({ "Fn::GetAtt": "Queue.Arn" }), json!(queue)),
        (json!("{{resolve:secretsmanager:name:SecretString:WEB_KEY}}"), json!(format!("WEBKEY{}", "x".repeat(34)))),
    ];
    for (value, expected) in cases {
        assert_eq!(resolved(&value), (expected, Vec::new()), "{value}");
    }
}

#[test]
fn dependencies_on_absent_resources_are_dropped() {
    let (resolved, _) = resolve(&template(&json!("")), &deployment(&[]));
    assert_eq!(resolved.json()["Resources"]["Absent"], Value::Null);
    assert_eq!(resolved.json()["Resources"]["Subject"]["DependsOn"], json!(["Queue"]));
}

#[test]
fn parts_that_cannot_be_resolved_are_violations() {
    let cases = [
        (json!({ "Fn::Cidr": ["10.0.0.0/16", 1, 8] }), "cannot resolve Fn::Cidr"),
        (json!({ "Ref": "Absent" }), "a reference to Absent, which does not exist in this deployment"),
        (json!({ "Fn::Sub": "${Absent.Arn}" }), "a reference to Absent, which does not exist in this deployment"),
        (json!({ "Ref": "Unknown" }), "a reference to Unknown, which does not exist"),
        (json!({ "Fn::GetAtt": ["Queue", "Colour"] }), "the value of Some(\"Colour\")"),
        (json!({ "Fn::FindInMap": ["Map", "other", "name"] }), "cannot resolve Fn::FindInMap"),
        (json!({ "Fn::If": ["Unknown", 1, 2] }), "there is no condition Unknown"),
        (json!({ "Fn::Join": ["", "text"] }), "not a list"),
        (json!("{{resolve:ssm:name}}"), "not a reference to a key of a secret"),
    ];
    for (value, expected) in cases {
        let (_, violations) = resolved(&value);
        assert!(violations.iter().any(|violation| violation.starts_with(expected)), "{value}: {violations:?}");
    }
}

#[test]
fn broken_constraints_are_found() {
    let parameter = json!({
        "Type": "Number", "AllowedPattern": "[0-9]{2}", "MinValue": 20, "MaxValue": 30, "MinLength": 2, "MaxLength": 2,
    });
    let cases = [("25", 0), ("10", 1), ("40", 1), ("250", 3), ("1", 3), ("xx", 3)];
    for (value, expected) in cases {
        let broken = broken_constraints("Name", &parameter, value);
        assert_eq!(broken.len(), expected, "{value}: {broken:?}");
    }
    assert_eq!(broken_constraints("Name", &json!({ "AllowedValues": [1, "b"] }), "1"), Vec::<String>::new());
    assert_eq!(broken_constraints("Name", &json!({ "AllowedValues": [1, "b"] }), "c").len(), 1);
}

#[test]
fn broken_rules_are_found() {
    let rules = |assertion: Value| {
        let condition = json!({ "Fn::Not": [{ "Fn::Equals": [{ "Ref": "Text" }, ""] }] });
        Template::new(json!({
            "Parameters": { "Text": { "Type": "String" }, "List": { "Type": "CommaDelimitedList" } },
            "Rules": { "Rule": { "RuleCondition": condition, "Assertions": [{ "Assert": assertion }] } },
        }))
    };
    let is_not_empty = rules(json!({ "Fn::Not": [{ "Fn::Contains": [{ "Ref": "List" }, ""] }] }));
    let broken = |parameters: &[(&str, &str)]| broken_rules(&is_not_empty, &deployment(parameters)).len();
    assert_eq!(broken(&[("Text", "a"), ("List", "")]), 1);
    assert_eq!(broken(&[("Text", "a"), ("List", "b")]), 0);
    assert_eq!(broken(&[("Text", ""), ("List", "")]), 0);
    assert_eq!(rule_violations(&is_not_empty), Vec::<String>::new());
    // CloudFormation supports neither conditions nor Fn::Join in rules.
    assert_eq!(rule_violations(&rules(json!({ "Condition": "HasDomain" }))).len(), 1);
    assert_eq!(rule_violations(&rules(json!({ "Fn::Equals": [{ "Fn::Join": ["", []] }, ""] }))).len(), 1);
}
