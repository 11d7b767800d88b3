//! Constraints of the template's parameters, and values to try.

use serde_json::{Value, json};
use tests::Template;

use crate::resolve::{Deployment, Resolver};

/// Maximum length of a value in bytes
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html>).
const MAX_VALUE_BYTES: usize = 4_096;

/// Functions that CloudFormation supports in rules
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-rules.html>).
/// `Ref` may name parameters only.
const RULE_FUNCTIONS: [&str; 6] = ["Ref", "Fn::And", "Fn::Or", "Fn::Not", "Fn::Equals", "Fn::Contains"];

/// Returns the constraints that the value of a parameter breaks.
pub(crate) fn broken_constraints(name: &str, parameter: &Value, value: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let mut check = |fits: bool, constraint: &str| {
        if !fits {
            broken.push(format!("the value {value:?} of the parameter {name} breaks its {constraint}"));
        }
    };
    check(value.len() <= MAX_VALUE_BYTES, "maximum length, which CloudFormation sets");
    let is_allowed = |allowed: &Value| allowed.as_str().map_or_else(|| allowed.to_string(), str::to_owned) == value;
    let allowed = parameter["AllowedValues"].as_array();
    check(allowed.is_none_or(|allowed| allowed.iter().any(is_allowed)), "AllowedValues");
    if let Some(pattern) = parameter["AllowedPattern"].as_str() {
        // CloudFormation matches the whole value.
        let schema = json!({ "pattern": format!("^(?:{pattern})$") });
        let is_match = jsonschema::validator_for(&schema).is_ok_and(|pattern| pattern.is_valid(&json!(value)));
        check(is_match, "AllowedPattern");
    }
    let limit = |name: &str| parameter[name].as_f64().or_else(|| parameter[name].as_str()?.parse().ok());
    let length = value.chars().count() as f64;
    check(limit("MinLength").is_none_or(|min| length >= min), "MinLength");
    check(limit("MaxLength").is_none_or(|max| length <= max), "MaxLength");
    if parameter["Type"] == "Number" {
        let number: Option<f64> = value.parse().ok();
        check(number.is_some(), "type Number");
        let number = number.unwrap_or_default();
        check(limit("MinValue").is_none_or(|min| number >= min), "MinValue");
        check(limit("MaxValue").is_none_or(|max| number <= max), "MaxValue");
    }
    broken
}

/// Returns the assertions of the template's rules that the deployment breaks: CloudFormation refuses it.
pub(crate) fn broken_rules(template: &Template, deployment: &Deployment) -> Vec<String> {
    let rules = template.json()["Rules"].as_object().into_iter().flatten();
    let applies = |rule: &Value| rule["RuleCondition"].is_null() || holds(template, deployment, &rule["RuleCondition"]);
    let assertions = rules.filter(|(_, rule)| applies(rule)).flat_map(|(name, rule)| {
        rule["Assertions"].as_array().into_iter().flatten().map(move |assertion| (name, assertion))
    });
    let broken = assertions.filter(|(_, assertion)| !holds(template, deployment, &assertion["Assert"]));
    broken.map(|(name, assertion)| format!("{name}: {}", assertion["AssertDescription"])).collect()
}

/// Evaluates a rule function.
fn holds(template: &Template, deployment: &Deployment, part: &Value) -> bool {
    let resolver = Resolver::new(template.json(), deployment);
    if let Some([list, item]) = part["Fn::Contains"].as_array().map(Vec::as_slice) {
        let [list, item] = [list, item].map(|part| resolver.value(part).unwrap_or_default());
        return list.as_array().is_some_and(|list| list.contains(&item));
    }
    let arguments = |name: &str| part[name].as_array();
    match (arguments("Fn::And"), arguments("Fn::Or"), arguments("Fn::Not")) {
        (Some(all), ..) => all.iter().all(|part| holds(template, deployment, part)),
        (_, Some(any), _) => any.iter().any(|part| holds(template, deployment, part)),
        (.., Some(not)) => not.iter().all(|part| !holds(template, deployment, part)),
        _ => resolver.boolean(part),
    }
}

/// Returns the functions in rules that CloudFormation does not support there, and references that are not to parameters.
pub(crate) fn rule_violations(template: &Template) -> Vec<String> {
    fn functions<'a>(part: &'a Value, found: &mut Vec<(&'a str, &'a Value)>) {
        match part {
            Value::Array(parts) => parts.iter().for_each(|part| functions(part, found)),
            Value::Object(parts) => parts.iter().for_each(|(name, part)| {
                found.push((name, part));
                functions(part, found);
            }),
            _ => {}
        }
    }
    let mut violations = Vec::new();
    for (name, rule) in template.json()["Rules"].as_object().into_iter().flatten() {
        let mut found = Vec::new();
        functions(&rule["RuleCondition"], &mut found);
        for assertion in rule["Assertions"].as_array().into_iter().flatten() {
            functions(&assertion["Assert"], &mut found);
        }
        for (function, argument) in found {
            let is_parameter = || !template.json()["Parameters"][argument.as_str().unwrap_or_default()].is_null();
            if !RULE_FUNCTIONS.contains(&function) || (function == "Ref" && !is_parameter()) {
                violations.push(format!("the rule {name} uses {function} of {argument}, which rules do not support"));
            }
        }
    }
    violations
}

/// Returns values of a parameter to try: the first switches its feature off or is the shortest, the last is the longest
/// that AWS accepts. Returns `None` for an unknown parameter.
pub(crate) fn samples(name: &str, parameter: &Value) -> Option<Vec<String>> {
    if let Some(allowed) = parameter["AllowedValues"].as_array() {
        let value = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        return Some(allowed.iter().map(value).collect());
    }
    let max_length = parameter["MaxLength"].as_u64().and_then(|max| usize::try_from(max).ok());
    let longest = |max: usize| max_length.map_or(max, |limit| limit.min(max));
    let smallest = || parameter["MinValue"].to_string();
    let arn = |service: &str, resource: &str| format!("arn:aws:{service}:eu-central-1:123456789012:{resource}");
    let values = match name {
        "Release" => vec!["1a2b3c4".to_owned(), "1a2b3c4-dirty".to_owned(), "0".repeat(longest(64))],
        // https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
        "SecretName" | "ApiKeysSecretName" => {
            vec!["s".to_owned(), "sql-studio-sync/production".to_owned(), "s".repeat(longest(512))]
        }
        "SecretKeyArn" => vec![String::new(), arn("kms", "key/mrk-1234abcd12ab34cd56ef1234567890ab")],
        // A local part of 64 octets (https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1).
        "MailFrom" => vec![
            "a@b.eu".to_owned(),
            "SQL Studio <studio@sqlstudio.app>".to_owned(),
            format!("SQL Studio <{}@{}>", "m".repeat(64), host()),
        ],
        "CorsOrigins" => vec![
            "https://sqlstudio.app".to_owned(),
            "https://sqlstudio.app,https://www.sqlstudio.app".to_owned(),
            [format!("https://a.{}:8443", host()), format!("https://b.{}:8443", host())].join(","),
        ],
        "UserBytes" | "UserItems" | "MonthlyQuota" => vec![smallest(), "200000".to_owned(), "2000000000".to_owned()],
        "MonthlyBudget" => vec!["0".to_owned(), "50".to_owned(), "100000".to_owned()],
        // At least 10 (https://docs.aws.amazon.com/waf/latest/APIReference/API_RateBasedStatement.html); 0 for no firewall.
        "AccountCallsPerAddress" | "CallsPerAddress" => {
            let can_be_off = broken_constraints(name, parameter, "0").is_empty();
            vec![if can_be_off { "0" } else { "10" }.to_owned(), "500".to_owned(), "2000000000".to_owned()]
        }
        "WarmInstances" => vec![smallest(), "2".to_owned(), "50".to_owned()],
        "AuthConcurrency"
        | "UploadConcurrency"
        | "DownloadConcurrency"
        | "ConflictsConcurrency"
        | "HealthConcurrency" => {
            vec!["0".to_owned(), "60".to_owned(), "150".to_owned()]
        }
        "AccountConcurrency" => vec!["1000".to_owned(), "50000".to_owned()],
        "DomainName" => vec![String::new(), "sync.sqlstudio.app".to_owned(), host()],
        "CertificateArn" => vec![String::new(), arn("acm", "certificate/12345678-1234-1234-1234-123456789012")],
        "ReadyCanaryRuntime" => {
            vec![String::new(), "syn-nodejs-puppeteer-15.0".to_owned(), "syn-nodejs-puppeteer-100.10".to_owned()]
        }
        "SubnetIds" => vec![String::new(), ids("subnet", 1), ids("subnet", 3)],
        "SecurityGroupIds" => vec![String::new(), ids("sg", 1), ids("sg", 5)],
        "AlarmTopicArn" => vec![String::new(), arn("sns", "alarms"), arn("sns", &"t".repeat(256))],
        "OtlpEndpoint" => {
            vec![
                String::new(),
                "http://localhost:4318".to_owned(),
                format!("https://{}/otlp/v1/sql-studio-sync", host()),
            ]
        }
        "TraceRatio" => vec!["0".to_owned(), "1".to_owned(), "0.05".to_owned(), "0.0123456789012345".to_owned()],
        "TelemetryLayers" => vec![String::new(), layers(1), layers(5)],
        "DatadogApiKeySecretArn" => vec![
            String::new(),
            arn("secretsmanager", "secret:datadog-api-key-AbCdEf"),
            arn("secretsmanager", &format!("secret:{}-AbCdEf", "d".repeat(512))),
        ],
        "DatadogSite" => vec!["datadoghq.eu".to_owned(), "us5.datadoghq.com".to_owned()],
        _ => return None,
    };
    Some(values)
}

/// Returns a host name of the maximum length of 251 characters that leaves room for a further label
/// (<https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4>).
fn host() -> String {
    [63, 63, 63, 59].map(|length| "h".repeat(length)).join(".")
}

fn ids(kind: &str, count: usize) -> String {
    let ids: Vec<_> = (0..count).map(|number| format!("{kind}-0123456789abcdef{number}")).collect();
    ids.join(",")
}

/// Returns ARNs of layers. The name of a layer has at most 140 characters
/// (<https://docs.aws.amazon.com/lambda/latest/api/API_PublishLayerVersion.html>), those of one are typical.
fn layers(count: usize) -> String {
    let layer = |number| {
        let name = if count == 1 {
            "aws-otel-collector-arm64-ver-0-117-0".to_owned()
        } else {
            format!("{}-{number}", "l".repeat(138))
        };
        format!("arn:aws:lambda:eu-central-1:901920570463:layer:{name}:1")
    };
    let layers: Vec<_> = (0..count).map(layer).collect();
    layers.join(",")
}
