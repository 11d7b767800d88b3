//! Resolves the intrinsic functions of an expanded template, as CloudFormation does during a deployment
//! (<https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html>).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use tests::Template;

use crate::identifiers::{ACCOUNT, Resource};

/// Length of the example that stands for an API key in the secret.
const API_KEY_LENGTH: usize = 40;

/// Maximum number of dynamic references of a template
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html>).
const MAX_DYNAMIC_REFERENCES: usize = 60;

/// Fields of a resource besides its properties that can contain references.
const ATTRIBUTES: [&str; 2] = ["UpdatePolicy", "CreationPolicy"];

/// A deployment of the template: all that CloudFormation needs besides the template.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Deployment {
    /// Name of the deployment in violations.
    pub(crate) name: String,
    pub(crate) stack: String,
    pub(crate) region: &'static str,
    /// Values of parameters. The others have their defaults.
    pub(crate) parameters: BTreeMap<String, String>,
}

/// Returns the template without intrinsic functions, and everything that could not be resolved.
pub(crate) fn resolve(template: &Template, deployment: &Deployment) -> (Template, Vec<String>) {
    let resolver = Resolver::new(template.json(), deployment);
    let document = resolver.document();
    (Template::new(document), resolver.violations())
}

/// Evaluates parts of a template for a deployment. Records violations instead of failing.
pub(crate) struct Resolver<'a> {
    template: &'a Value,
    deployment: &'a Deployment,
    violations: RefCell<BTreeSet<String>>,
    dynamic_references: RefCell<usize>,
}

impl<'a> Resolver<'a> {
    pub(crate) fn new(template: &'a Value, deployment: &'a Deployment) -> Self {
        Self { template, deployment, violations: RefCell::default(), dynamic_references: RefCell::default() }
    }

    pub(crate) fn violations(self) -> Vec<String> {
        let references = self.dynamic_references.into_inner();
        let too_many = (references > MAX_DYNAMIC_REFERENCES)
            .then(|| format!("the template has {references} dynamic references, at most {MAX_DYNAMIC_REFERENCES}"));
        self.violations.into_inner().into_iter().chain(too_many).collect()
    }

    fn violation(&self, message: String) {
        self.violations.borrow_mut().insert(message);
    }

    /// Resolves the resources and outputs whose conditions are true.
    fn document(&self) -> Value {
        let exists = |part: &Value| part["Condition"].as_str().is_none_or(|condition| self.condition(condition));
        let section = |name: &str| {
            let parts = self.template[name].as_object().into_iter().flatten();
            parts.filter(|(_, part)| exists(part)).collect::<Vec<_>>()
        };
        let resources: Map<_, _> = section("Resources")
            .into_iter()
            .map(|(name, resource)| (name.clone(), self.resource(name, resource)))
            .collect();
        let outputs: Map<_, _> = section("Outputs")
            .into_iter()
            .map(|(name, output)| {
                (name.clone(), json!({ "Description": output["Description"], "Value": self.value(&output["Value"]) }))
            })
            .collect();
        json!({
            "AWSTemplateFormatVersion": "2010-09-09",
            "Description": self.template["Description"],
            "Resources": resources,
            "Outputs": outputs,
        })
    }

    fn resource(&self, name: &str, resource: &Value) -> Value {
        let mut resolved = Map::new();
        for field in ["Type", "Metadata", "DeletionPolicy", "UpdateReplacePolicy"] {
            if !resource[field].is_null() {
                resolved.insert(field.to_owned(), resource[field].clone());
            }
        }
        let dependencies = match &resource["DependsOn"] {
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            dependency => dependency.as_str().into_iter().collect::<Vec<_>>(),
        };
        for dependency in dependencies.iter().filter(|other| self.template["Resources"][**other].is_null()) {
            self.violation(format!("{name} depends on {dependency}, which does not exist"));
        }
        // CloudFormation ignores dependencies on resources whose condition is false.
        let existing: Vec<_> = dependencies.into_iter().filter(|name| self.exists(name)).collect();
        if !existing.is_empty() {
            resolved.insert("DependsOn".to_owned(), json!(existing));
        }
        for field in ATTRIBUTES.into_iter().chain(["Properties"]) {
            if let Some(value) = Some(&resource[field]).filter(|value| !value.is_null()) {
                resolved.insert(field.to_owned(), self.value(value).unwrap_or_default());
            }
        }
        Value::Object(resolved)
    }

    /// Returns whether the resource `name` is part of the deployment.
    fn exists(&self, name: &str) -> bool {
        let resource = &self.template["Resources"][name];
        !resource.is_null() && resource["Condition"].as_str().is_none_or(|condition| self.condition(condition))
    }

    /// Evaluates the condition `name`.
    pub(crate) fn condition(&self, name: &str) -> bool {
        let condition = &self.template["Conditions"][name];
        if condition.is_null() {
            self.violation(format!("there is no condition {name}"));
        }
        self.boolean(condition)
    }

    /// Evaluates a condition function.
    pub(crate) fn boolean(&self, part: &Value) -> bool {
        let Some((function, argument)) = single(part) else {
            self.violation(format!("not a condition: {part}"));
            return false;
        };
        let arguments = argument.as_array().map_or([].as_slice(), Vec::as_slice);
        match (function, arguments) {
            // Numbers and texts are equal if they are written alike.
            ("Fn::Equals", [left, right]) => self.comparable(left) == self.comparable(right),
            ("Fn::Not", [inner]) => !self.boolean(inner),
            ("Fn::And", [_, _, ..]) => arguments.iter().all(|inner| self.boolean(inner)),
            ("Fn::Or", [_, _, ..]) => arguments.iter().any(|inner| self.boolean(inner)),
            ("Condition", []) if argument.is_string() => self.condition(argument.as_str().unwrap_or_default()),
            _ => {
                self.violation(format!("unknown condition function: {part}"));
                false
            }
        }
    }

    fn comparable(&self, part: &Value) -> Value {
        match self.value(part) {
            Some(Value::Number(number)) => number.to_string().into(),
            Some(Value::Bool(flag)) => flag.to_string().into(),
            value => value.unwrap_or_default(),
        }
    }

    /// Resolves any part. Returns `None` for `AWS::NoValue`.
    pub(crate) fn value(&self, part: &Value) -> Option<Value> {
        match part {
            Value::Array(items) => Some(items.iter().filter_map(|item| self.value(item)).collect()),
            Value::Object(fields) => match single(part) {
                Some((function, argument)) if function == "Ref" || function.starts_with("Fn::") => {
                    self.function(function, argument)
                }
                _ => {
                    let resolved = fields.iter().filter_map(|(name, field)| Some((name.clone(), self.value(field)?)));
                    Some(Value::Object(resolved.collect()))
                }
            },
            Value::String(text) => Some(self.with_secrets(text).into()),
            part => Some(part.clone()),
        }
    }

    fn function(&self, function: &str, argument: &Value) -> Option<Value> {
        let arguments = argument.as_array().map_or([].as_slice(), Vec::as_slice);
        let value = match (function, arguments) {
            ("Ref", []) => return self.reference(argument.as_str().unwrap_or_default()),
            ("Fn::If", [condition, yes, no]) => {
                let is_true = self.condition(condition.as_str().unwrap_or_default());
                return self.value(if is_true { yes } else { no });
            }
            ("Fn::GetAtt", [name, attribute]) => self.attribute(&self.text(name), Some(&self.text(attribute))),
            ("Fn::GetAtt", []) => {
                let (name, attribute) = argument.as_str().and_then(|text| text.split_once('.')).unwrap_or_default();
                self.attribute(name, Some(attribute))
            }
            ("Fn::Sub", []) => self.substitute(argument.as_str().unwrap_or_default(), &Map::new()).into(),
            ("Fn::Sub", [Value::String(text), Value::Object(variables)]) => self.substitute(text, variables).into(),
            ("Fn::Join", [Value::String(separator), list]) => {
                self.with_secrets(&self.texts(list).join(separator)).into()
            }
            ("Fn::Split", [Value::String(separator), text]) => {
                self.text(text).split(separator).map(Value::from).collect()
            }
            ("Fn::Select", [index, list]) => {
                let (index, list) = (self.text(index).parse::<usize>(), self.value(list).unwrap_or_default());
                let selected = index.ok().and_then(|index| list.get(index)).cloned();
                selected.unwrap_or_else(|| self.unknown(function, argument))
            }
            ("Fn::FindInMap", [map, key, name]) => {
                let found = &self.template["Mappings"][self.text(map)][self.text(key)][self.text(name)];
                if found.is_null() { self.unknown(function, argument) } else { found.clone() }
            }
            _ => self.unknown(function, argument),
        };
        Some(value)
    }

    fn unknown(&self, function: &str, argument: &Value) -> Value {
        self.violation(format!("cannot resolve {function} of {argument}"));
        Value::Null
    }

    /// Resolves a part that must be a text, a number or a truth value.
    fn text(&self, part: &Value) -> String {
        match self.value(part) {
            Some(Value::String(text)) => text,
            Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
            value => {
                self.violation(format!("not a text: {part}, which is {value:?}"));
                String::new()
            }
        }
    }

    fn texts(&self, list: &Value) -> Vec<String> {
        let list = self.value(list).unwrap_or_default();
        let Some(items) = list.as_array() else {
            self.violation(format!("not a list: {list}"));
            return Vec::new();
        };
        items.iter().map(|item| self.text(item)).collect()
    }

    fn reference(&self, name: &str) -> Option<Value> {
        let Deployment { stack, region, .. } = self.deployment;
        Some(match name {
            "AWS::NoValue" => return None,
            "AWS::Region" => (*region).into(),
            "AWS::AccountId" => ACCOUNT.into(),
            "AWS::Partition" => "aws".into(),
            "AWS::URLSuffix" => "amazonaws.com".into(),
            "AWS::StackName" => stack.clone().into(),
            "AWS::StackId" => {
                let id = "51af3dc0-da77-11e4-872e-1234567db123";
                format!("arn:aws:cloudformation:{region}:{ACCOUNT}:stack/{stack}/{id}").into()
            }
            _ if !self.template["Parameters"][name].is_null() => self.parameter(name),
            _ => self.attribute(name, None),
        })
    }

    fn parameter(&self, name: &str) -> Value {
        let parameter = &self.template["Parameters"][name];
        let set = self.deployment.parameters.get(name).cloned();
        let default = || parameter["Default"].as_str().map_or_else(|| parameter["Default"].to_string(), str::to_owned);
        let value = set.unwrap_or_else(|| {
            if parameter["Default"].is_null() {
                self.violation(format!("the parameter {name} has no value"));
            }
            default()
        });
        match parameter["Type"].as_str() {
            // An empty list is a list with one empty text.
            Some("CommaDelimitedList") => value.split(',').map(|item| Value::from(item.trim())).collect(),
            Some("String" | "Number") => value.into(),
            kind => {
                self.violation(format!("the parameter {name} has the unknown type {kind:?}"));
                value.into()
            }
        }
    }

    /// Returns an attribute of a resource, or the value of `Ref`.
    fn attribute(&self, name: &str, attribute: Option<&str>) -> Value {
        let resource = &self.template["Resources"][name];
        if !self.exists(name) {
            let reason = if resource.is_null() { "does not exist" } else { "does not exist in this deployment" };
            self.violation(format!("a reference to {name}, which {reason}"));
        }
        let kind = resource["Type"].as_str().unwrap_or_default();
        let Deployment { stack, region, .. } = self.deployment;
        let property =
            |property: &str| resource["Properties"].pointer(&format!("/{property}")).map(|value| self.text(value));
        let resource = Resource { stack, region, name, kind, property: &property };
        let value = resource.attribute(attribute);
        value
            .unwrap_or_else(|| {
                self.violation(format!("the value of {attribute:?} of a resource of the type {kind} is unknown"));
                String::new()
            })
            .into()
    }

    /// Replaces the variables of `Fn::Sub`. `${!name}` stands for the text `${name}`.
    fn substitute(&self, text: &str, variables: &Map<String, Value>) -> String {
        let mut parts = text.split("${");
        let mut all = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let Some((name, rest)) = part.split_once('}') else {
                self.violation(format!("Fn::Sub has a variable without an end: {part}"));
                continue;
            };
            match (name.strip_prefix('!'), variables.get(name), name.split_once('.')) {
                (Some(literal), ..) => all.extend(["${", literal, "}"]),
                (_, Some(variable), _) => all += &self.text(variable),
                (_, _, Some((resource, attribute))) => {
                    all += self.attribute(resource, Some(attribute)).as_str().unwrap_or_default();
                }
                _ => all += &self.text(&json!({ "Ref": name })),
            }
            all += rest;
        }
        self.with_secrets(&all)
    }

    /// Replaces dynamic references to secrets by examples of API keys, which differ if the references do
    /// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references-secretsmanager.html>).
    fn with_secrets(&self, text: &str) -> String {
        let mut parts = text.split("{{resolve:");
        let mut all = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            *self.dynamic_references.borrow_mut() += 1;
            let (reference, rest) = part.split_once("}}").unwrap_or((part, ""));
            let secret =
                reference.strip_prefix("secretsmanager:").and_then(|secret| secret.split_once(":SecretString:"));
            let key = secret.map_or("", |(_, key)| key.trim_end_matches(':'));
            if key.is_empty() || secret.is_some_and(|(name, _)| name.is_empty()) {
                self.violation(format!("not a reference to a key of a secret: {reference}"));
            }
            let letters: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
            all += &format!("{letters:x<API_KEY_LENGTH$}{rest}");
        }
        all
    }
}

/// Returns the only field of an object.
fn single(part: &Value) -> Option<(&str, &Value)> {
    let fields = part.as_object().filter(|fields| fields.len() == 1)?;
    fields.iter().next().map(|(name, value)| (name.as_str(), value))
}
