//! Versions of functions. Lambda publishes a version only if the function has changed, and SAM creates one only if the
//! code or the description changes. So description and environment contain the release, and a hash of all parameters
//! that functions depend on: the attribute `Settings` of the custom resource `Migrations`.

use std::collections::BTreeSet;

use serde_json::Value;
use tests::Template;

use crate::rules::differences;

/// References of the variable `RELEASE` and of the description, for `migrate`, whose run provides the hash, and for the
/// other functions.
const MIGRATE_RELEASE: [&str; 1] = ["Release"];
const MIGRATE_DESCRIPTION: [&str; 2] = ["Release", "SecretName"];
const RELEASE: [&str; 2] = ["Migrations.Settings", "Release"];

/// Returns the versions that do not change with the release and the parameters of their function, and those that would
/// outlive an update that is rolled back.
pub(crate) fn violations(template: &Template) -> Vec<String> {
    let mut violations = hashed_parameters(template);
    for (name, (resource, function)) in template.functions() {
        let (release, description): (&[_], &[_]) =
            if name == "migrate" { (&MIGRATE_RELEASE, &MIGRATE_DESCRIPTION) } else { (&RELEASE, &RELEASE) };
        let variable = &function["Properties"]["Environment"]["Variables"]["RELEASE"];
        let mut versions = template.resources("AWS::Lambda::Version").map(|(_, version)| version);
        let version = versions.find(|version| version["Properties"]["FunctionName"]["Ref"] == *resource);
        let version = version.unwrap_or(&Value::Null);
        for (part, value, expected) in [
            ("the variable RELEASE", variable, release),
            ("the description of the version", &version["Properties"]["Description"], description),
        ] {
            let expected = expected.iter().map(|name| (*name).to_owned()).collect();
            violations.extend(differences(&format!("a reference in {part} of {name}"), &expected, &references(value)));
        }
        // A version that remains prevents the next attempt: Lambda would publish no other one of the same code.
        if version["DeletionPolicy"] != "Delete" {
            violations.push(format!("a version of {name} remains after an update that is rolled back"));
        }
    }
    violations
}

/// Returns the parameters that functions depend on and the hash lacks, and vice versa.
fn hashed_parameters(template: &Template) -> Vec<String> {
    let hashed = references(&template.json()["Resources"]["Migrations"]["Properties"]["Settings"]);
    let mut used = BTreeSet::new();
    for (_, function) in template.functions().into_values() {
        let parts = ["Environment", "VpcConfig", "Layers"].map(|part| &function["Properties"][part]);
        used.extend(parts.into_iter().flat_map(|part| parameters_in(template, part)));
    }
    // The release is part of the description itself.
    used.remove("Release");
    differences("a parameter in the property Settings of Migrations", &used, &hashed)
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

/// Returns all names that a part of the template refers to; those of attributes as `Resource.Attribute`.
fn references(part: &Value) -> BTreeSet<String> {
    match part {
        Value::Array(parts) => parts.iter().flat_map(references).collect(),
        Value::Object(parts) => parts
            .iter()
            .flat_map(|(key, value)| match (key.as_str(), value) {
                ("Ref" | "Condition", Value::String(name)) => BTreeSet::from([name.clone()]),
                ("Fn::Sub", Value::String(text)) => variables(text),
                ("Fn::Sub", Value::Array(parts)) => {
                    let text = parts.first().and_then(Value::as_str).map(variables).unwrap_or_default();
                    parts.iter().flat_map(references).chain(text).collect()
                }
                ("Fn::GetAtt", Value::Array(parts)) => {
                    BTreeSet::from([parts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(".")])
                }
                ("Fn::If", Value::Array(parts)) => {
                    let condition = parts.first().and_then(Value::as_str).map(str::to_owned);
                    parts.iter().flat_map(references).chain(condition).collect()
                }
                _ => references(value),
            })
            .collect(),
        _ => BTreeSet::new(),
    }
}

/// Returns the variables of a text of `Fn::Sub`.
fn variables(text: &str) -> BTreeSet<String> {
    let names = text.split("${").skip(1).filter_map(|rest| rest.split('}').next());
    names.filter(|name| !name.starts_with('!')).map(str::to_owned).collect()
}
