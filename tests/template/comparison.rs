//! Tests of `compare`, which finds what an update from one release of the template to another replaces or deletes.

use std::process::Command;

use serde_json::{Value, json};

use crate::settings::source;

/// Runs `compare` and returns its lines, and whether it reports a loss.
fn compare(old: &str, new: &str, parameters: &[&str]) -> (Vec<String>, bool) {
    let compare = concat!(env!("CARGO_MANIFEST_DIR"), "/template/compare");
    let files = [old, new].map(|text| {
        let file = tempfile::NamedTempFile::new().expect("the temporary file is created");
        std::fs::write(file.path(), text).expect("the file is writable");
        file
    });
    let output = Command::new(compare).args(files.iter().map(tempfile::NamedTempFile::path)).args(parameters).output();
    let output = output.expect("Python runs");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect();
    (lines, output.status.code() == Some(3))
}

/// Returns a template with the given resources and outputs.
fn template(resources: &Value, outputs: &Value) -> String {
    let template = json!({
        "Parameters": { "Stage": { "Type": "String" }, "Days": { "Type": "Number", "Default": 1 } },
        "Conditions": { "IsProduction": { "Fn::Equals": [{ "Ref": "Stage" }, "production"] } },
        "Resources": resources,
        "Outputs": outputs,
    });
    template.to_string()
}

fn project() -> String {
    source("template.yaml")
}

#[test]
fn an_unchanged_release_has_no_findings() {
    assert_eq!(compare(&project(), &project(), &["Stage=staging"]), (Vec::new(), false));
}

/// Changes of properties that can be updated, of the code, and of the way in which a value is written.
#[test]
fn updates_in_place_are_no_findings() {
    let resources = |retention: u64, description: &str, name: Value| {
        json!({
            "Queue": { "Type": "AWS::SQS::Queue", "Properties": { "MessageRetentionPeriod": retention, "QueueName": name } },
            "Version": { "Type": "AWS::Lambda::Version", "Properties": { "FunctionName": "f", "Description": description } },
            "OfStaging": { "Type": "AWS::SQS::Queue", "Condition": "IsProduction", "Properties": {} },
        })
    };
    let old = resources(60, "a", json!({ "Fn::Sub": "${Stage}-${Days}-queue" }));
    let mut new = resources(120, "b", json!({ "Fn::Join": ["-", [{ "Ref": "Stage" }, { "Ref": "Days" }, "queue"]] }));
    new["OfStaging"]["Properties"]["QueueName"] = json!("name");
    let parameters = ["Stage=staging"];
    assert_eq!(compare(&template(&old, &json!({})), &template(&new, &json!({})), &parameters), (Vec::new(), false));
}

#[test]
fn losses_are_found() {
    let key = |name: &str| json!({ "Type": "AWS::ApiGateway::ApiKey", "Properties": { "Name": name } });
    let resources = json!({
        "Logs": { "Type": "AWS::Logs::LogGroup", "Properties": {} },
        "Kept": { "Type": "AWS::SQS::Queue", "DeletionPolicy": "Retain", "Properties": {} },
        "Key": key("a"),
        "PlanKey": { "Type": "AWS::ApiGateway::UsagePlanKey", "Properties": {
            "KeyId": { "Ref": "Key" }, "KeyType": "API_KEY", "UsagePlanId": "plan",
        } },
        "Changed": { "Type": "AWS::SQS::Queue", "Properties": {} },
        "Once": { "Type": "Custom::Once", "Properties": { "ServiceToken": "arn:a", "Other": "a" } },
        "OfProduction": { "Type": "AWS::SQS::Queue", "Condition": "IsProduction", "Properties": {} },
    });
    let outputs = json!({ "Url": { "Value": "a" }, "Other": { "Value": "a" } });
    let mut new = resources.clone();
    for name in ["Logs", "Kept", "OfProduction"] {
        new.as_object_mut().expect("an object").remove(name);
    }
    new["NewLogs"] = resources["Logs"].clone();
    new["Key"] = key("b");
    new["Changed"]["Type"] = json!("AWS::SNS::Topic");
    new["Once"]["Properties"] = json!({ "ServiceToken": "arn:b", "Other": "b" });
    // As the AWS CLI prints a deployed template.
    let old = json!({ "TemplateBody": template(&resources, &outputs) }).to_string();
    let new = template(&new, &json!({ "Other": { "Value": "b" } }));
    let expected = [
        "deletes AWS::Logs::LogGroup Logs: logs are lost",
        "deletes AWS::SQS::Queue Kept: the old one is kept",
        "deletes AWS::SQS::Queue OfProduction: messages are lost",
        "removes the output Url",
        "replaces AWS::ApiGateway::ApiKey Key: Name changes; clients need another API key",
        "replaces AWS::ApiGateway::UsagePlanKey PlanKey: KeyId refers to Key",
        "replaces AWS::SQS::Queue Changed: its type changes from AWS::SQS::Queue, which CloudFormation refuses; messages are lost",
        "replaces Custom::Once Once: ServiceToken changes",
        "creates AWS::Logs::LogGroup NewLogs",
    ];
    assert_eq!(compare(&old, &new, &["Stage=production"]), (expected.map(str::to_owned).to_vec(), true));
}

#[test]
fn a_renamed_resource_of_the_project_is_found() {
    let renamed = project().replace("MissedRuns", "LostRuns");
    let (lines, is_loss) = compare(&project(), &renamed, &["Stage=dev"]);
    let expected = [
        "deletes AWS::SQS::Queue MissedRuns: messages are lost",
        "removes the output MissedRuns",
        "creates AWS::SQS::Queue LostRuns",
    ];
    assert_eq!((lines, is_loss), (expected.map(str::to_owned).to_vec(), true));
}
