//! Rules for production: what protects it from a bad release, from its own limits, and from an incomplete deployment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};
use tests::{ROUTES, Template};

use crate::parameters::broken_rules;
use crate::resolve::Deployment;
use crate::rules::differences;

const DEPLOYMENT_GROUP: &str = "AWS::CodeDeploy::DeploymentGroup";

/// Returns the missing protections.
pub(crate) fn violations(file: &Path) -> Vec<String> {
    let stages = ["dev", "staging", "production"].map(|stage| BTreeMap::from([("Stage".to_owned(), stage.to_owned())]));
    let templates = match Template::expand_with(file, &stages) {
        Ok(templates) => templates,
        Err(error) => return vec![error],
    };
    let [dev, staging, production] = templates.as_slice() else { return vec!["a stage is missing".to_owned()] };
    let in_dev = dev.resources(DEPLOYMENT_GROUP).map(|(name, _)| format!("dev has a canary deployment: {name}"));
    let staged = [staging, production].into_iter().flat_map(canary_deployments);
    in_dev.chain(staged).chain(domain(production)).chain(api(production)).chain(first_day(production)).collect()
}

/// The functions of the API, and no others, get a canary deployment that an alarm on their own errors stops.
fn canary_deployments(template: &Template) -> Vec<String> {
    let functions = template.functions();
    let expected: BTreeSet<_> = ROUTES.iter().map(|(function, ..)| functions[function].0.to_owned()).collect();
    let of = |group: &str| group.strip_suffix("DeploymentGroup").unwrap_or_default().to_owned();
    let actual = template.resources(DEPLOYMENT_GROUP).map(|(group, _)| of(group)).collect();
    let mut violations = differences("a canary deployment", &expected, &actual);
    for (group, canary) in template.resources(DEPLOYMENT_GROUP) {
        let alarm = canary["Properties"]["AlarmConfiguration"]["Alarms"][0]["Name"]["Ref"].as_str().unwrap_or_default();
        let alarm = &template.json()["Resources"][alarm]["Properties"];
        let mut metrics = alarm["Metrics"].as_array().into_iter().flatten().map(|metric| &metric["MetricStat"]);
        let errors = json!([{ "Name": "FunctionName", "Value": { "Ref": of(group) } }]);
        let watches = |stat: &Value| {
            stat["Period"] == 60 && stat["Metric"]["MetricName"] == "Errors" && stat["Metric"]["Dimensions"] == errors
        };
        if !metrics.any(watches) {
            violations.push(format!("no alarm of one minute on {} stops its canary deployment", of(group)));
        }
    }
    violations
}

/// Production has a domain: it is refused without, and the default endpoint, which accepts TLS 1.0, is disabled.
fn domain(template: &Template) -> Vec<String> {
    let parameters = BTreeMap::from([("Stage".to_owned(), "production".to_owned())]);
    let deployment = Deployment {
        name: "without a domain".to_owned(),
        stack: "stack".to_owned(),
        region: "eu-central-1",
        parameters,
    };
    let mut violations = Vec::new();
    if broken_rules(template, &deployment).is_empty() {
        violations.push("production can be deployed without a domain".to_owned());
    }
    let api = template.resources("AWS::ApiGateway::RestApi").next().map_or(&Value::Null, |(_, api)| &api["Properties"]);
    let endpoint =
        &api["Body"]["servers"][0]["x-amazon-apigateway-endpoint-configuration"]["disableExecuteApiEndpoint"];
    if *endpoint != json!({ "Fn::If": ["HasDomain", true, false] }) {
        violations.push("the default endpoint remains beside the domain".to_owned());
    }
    violations
}

/// No application can use up what all its copies share, the API keys survive the stack, and the firewall covers every path.
fn api(template: &Template) -> Vec<String> {
    let mut violations = Vec::new();
    let mut plans = template.resources("AWS::ApiGateway::UsagePlan").map(|(_, plan)| &plan["Properties"]["Quota"]);
    let default = &template.json()["Parameters"]["MonthlyQuota"]["Default"];
    if plans.any(|quota| quota["Fn::If"][0] != "HasQuota") || *default != 0 {
        violations.push("the usage plan has a quota by default".to_owned());
    }
    for (name, key) in template.resources("AWS::ApiGateway::ApiKey") {
        let value = key["Properties"]["Value"]["Fn::Sub"].as_str().unwrap_or_default();
        if !value.starts_with("{{resolve:secretsmanager:${ApiKeysSecretName}:") {
            violations.push(format!("the value of {name} does not survive the stack"));
        }
        // https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-apigateway-apikey.html
        if !key["Properties"]["Name"].is_null() {
            violations.push(format!("{name} cannot be replaced, because it has a name"));
        }
    }
    let firewalls = template.resources("AWS::WAFv2::WebACL");
    let rules: Vec<_> =
        firewalls.flat_map(|(_, firewall)| firewall["Properties"]["Rules"].as_array().into_iter().flatten()).collect();
    let limits_all = |rule: &&Value| {
        let limit = &rule["Statement"]["RateBasedStatement"];
        !limit.is_null() && limit["ScopeDownStatement"].is_null()
    };
    if !rules.iter().any(limits_all) {
        violations.push("the firewall limits only some paths".to_owned());
    }
    violations
}

/// The alarm on missing purges waits for the first one: without data, it is active.
fn first_day(template: &Template) -> Option<String> {
    let waits = template.json()["Resources"]["PurgeOverdue"]["DependsOn"].to_string().contains("\"FirstPurge\"");
    (!waits).then(|| "the alarm PurgeOverdue is active on the first day".to_owned())
}
