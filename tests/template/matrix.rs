//! Deployments to try: together they cover all pairs of the template's conditions, and all sample values.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use tests::Template;

use crate::parameters::{broken_constraints, broken_rules, samples};
use crate::resolve::{Deployment, Resolver};
use crate::rules::differences;
use crate::settings::source;

/// Pairs of conditions that no deployment satisfies, and the reason.
const IMPOSSIBLE_PAIRS: [&str; 8] = [
    // HasTelemetry means one of the two.
    "HasDatadog, not HasTelemetry",
    "not HasTelemetry, HasTraces",
    // The rule LayersHaveWork.
    "HasLayers, not HasTelemetry",
    // The rule DomainHasCertificate.
    "HasDomain, not CertificateArn",
    // The rule SubnetsHaveSecurityGroups.
    "IsInVpc, not SecurityGroupIds",
    // The rule WarmInstancesStart, and DomainHasCertificate.
    "not HasDomain, IsKeptWarm",
    "IsKeptWarm, not CertificateArn",
    // The rule BudgetNotifies.
    "not HasAlarmTopic, HasBudget",
];

/// Stack names: short, typical, with capital letters, and of the maximum length
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html>).
fn stacks() -> [String; 4] {
    [
        "s".to_owned(),
        "sql-studio-sync-production".to_owned(),
        "SqlStudioSync".to_owned(),
        "Stack-name".repeat(13)[..128].to_owned(),
    ]
}

/// Name of the pseudo parameter that is sampled like a parameter.
const STACK_NAME: &str = "AWS::StackName";

/// Region with one of the longest names.
const REGION: &str = "ap-southeast-2";

/// Random deployments from which the matrix is selected.
const CANDIDATES: usize = 2_000;
const ATTEMPTS: usize = 50_000;

/// Parameters that complete the production deployment of `samconfig.toml`, as `functions/README.md` documents.
const COMPLETE_PRODUCTION: [(&str, &str); 17] = [
    ("DomainName", "sync.sqlstudio.app"),
    ("CertificateArn", "arn:aws:acm:eu-central-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"),
    ("CorsOrigins", "https://sqlstudio.app,https://www.sqlstudio.app"),
    ("WarmInstances", "1"),
    ("CallsPerAddress", "2000"),
    ("AuthConcurrency", "20"),
    ("SubnetIds", "subnet-0123456789abcdef0,subnet-0123456789abcdef1,subnet-0123456789abcdef2"),
    ("SecurityGroupIds", "sg-0123456789abcdef0"),
    ("AlarmTopicArn", "arn:aws:sns:eu-central-1:123456789012:sql-studio-sync-alarms"),
    ("ReadyCanaryRuntime", "syn-nodejs-puppeteer-15.0"),
    ("MonthlyBudget", "100"),
    ("OtlpEndpoint", "http://localhost:4318"),
    ("TraceRatio", "0.05"),
    (
        "TelemetryLayers",
        "arn:aws:lambda:eu-central-1:901920570463:layer:aws-otel-collector-arm64-ver-0-117-0:1,\
         arn:aws:lambda:eu-central-1:464622532012:layer:Datadog-Extension-ARM:65",
    ),
    ("DatadogApiKeySecretArn", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:datadog-api-key-AbCdEf"),
    ("DatadogSite", "datadoghq.eu"),
    ("SecretKeyArn", "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"),
];

/// Deployments, and violations of the constraints of parameters.
pub(crate) struct Matrix {
    pub(crate) deployments: Vec<Deployment>,
    pub(crate) violations: Vec<String>,
}

/// Values to try, by parameter.
type Samples = BTreeMap<String, Vec<String>>;

/// Selects the deployments. `template` is any expansion of the template.
pub(crate) fn matrix(template: &Template) -> Matrix {
    let (samples, mut violations) = all_samples(template);
    let mut deployments = real_deployments(template, &mut violations);
    for extreme in extremes(&samples) {
        let broken = broken_rules(template, &extreme);
        violations.extend(broken.iter().map(|rule| format!("the deployment {} breaks the rule {rule}", extreme.name)));
        deployments.push(extreme);
    }
    let goals = Goals::new(template, &samples);
    let mut covered: BTreeSet<usize> =
        deployments.iter().flat_map(|deployment| goals.of(template, deployment)).collect();
    let candidates = candidates_of(template, &samples).into_iter().map(|candidate| {
        let reached = goals.of(template, &candidate);
        (candidate, reached)
    });
    let candidates: Vec<(Deployment, Vec<usize>)> = candidates.collect();
    // Greedy: repeatedly the candidate that covers most of what is not covered yet.
    loop {
        let gain =
            |(_, reached): &&(Deployment, Vec<usize>)| reached.iter().filter(|goal| !covered.contains(goal)).count();
        let Some(best) = candidates.iter().max_by_key(gain).filter(|best| gain(best) > 0) else { break };
        let (mut deployment, reached) = best.clone();
        deployment.name = format!("set {}", deployments.len());
        covered.extend(reached);
        deployments.push(deployment);
    }
    let expected = IMPOSSIBLE_PAIRS.iter().map(|pair| (*pair).to_owned()).collect();
    violations.extend(differences("an impossible pair of conditions", &expected, &goals.missing(&covered)));
    Matrix { deployments, violations }
}

/// Returns the deployments with the shortest and with the longest values of all parameters.
pub(crate) fn extremes(samples: &Samples) -> [Deployment; 2] {
    let pick = |name: &str, choose: fn(&[String]) -> Option<&String>| {
        let mut parameters: BTreeMap<String, String> =
            samples.iter().filter_map(|(name, values)| Some((name.clone(), choose(values)?.clone()))).collect();
        let stack = parameters.remove(STACK_NAME).unwrap_or_default();
        Deployment { name: name.to_owned(), stack, region: REGION, parameters }
    };
    [pick("shortest", <[String]>::first), pick("longest", <[String]>::last)]
}

/// Returns the samples of all parameters, and those that are missing or break a constraint.
pub(crate) fn all_samples(template: &Template) -> (Samples, Vec<String>) {
    let mut all = Samples::from([(STACK_NAME.to_owned(), stacks().to_vec())]);
    let mut violations = Vec::new();
    for (name, parameter) in template.json()["Parameters"].as_object().into_iter().flatten() {
        match samples(name, parameter) {
            Some(values) => {
                violations.extend(values.iter().flat_map(|value| broken_constraints(name, parameter, value)));
                all.insert(name.clone(), values);
            }
            None => violations.push(format!("the parameter {name} has no samples")),
        }
    }
    (all, violations)
}

/// Returns random deployments that the rules of the template allow.
fn candidates_of(template: &Template, samples: &Samples) -> Vec<Deployment> {
    let mut random = Rng::with_seed(1);
    let mut deployments = Vec::new();
    for _ in 0..ATTEMPTS {
        let choose =
            |(name, values): (&String, &Vec<String>)| (name.clone(), values[random.usize(..values.len())].clone());
        let mut parameters: BTreeMap<_, _> = samples.iter().map(choose).collect();
        let stack = parameters.remove(STACK_NAME).unwrap_or_default();
        let deployment = Deployment { name: String::new(), stack, region: REGION, parameters };
        if broken_rules(template, &deployment).is_empty() {
            deployments.push(deployment);
        }
        if deployments.len() == CANDIDATES {
            break;
        }
    }
    deployments
}

/// Returns the deployments of `samconfig.toml`, and as the last one production with all features.
pub(crate) fn real_deployments(template: &Template, violations: &mut Vec<String>) -> Vec<Deployment> {
    let config = source("samconfig.toml");
    let config: toml::Table = config.parse().expect("the file is valid TOML");
    let mut deployments = Vec::new();
    for (stage, settings) in config.iter().filter(|(_, settings)| settings.is_table()) {
        let Some(settings) = settings.get("deploy").and_then(|deploy| deploy.get("parameters")) else { continue };
        let overrides =
            settings["parameter_overrides"].as_array().into_iter().flatten().filter_map(toml::Value::as_str);
        // The other overrides are files.
        let overrides = overrides.filter_map(|value| value.split_once('='));
        let mut parameters: BTreeMap<_, _> =
            overrides.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        parameters.insert("Release".to_owned(), "1a2b3c4".to_owned());
        let stack = settings["stack_name"].as_str().expect("a text").to_owned();
        deployments.push(Deployment { name: stage.clone(), stack, region: "eu-central-1", parameters });
    }
    let mut complete = deployments.iter().find(|deployment| deployment.name == "production").expect("a stage").clone();
    complete.name = "complete production".to_owned();
    complete.parameters.extend(COMPLETE_PRODUCTION.map(|(name, value)| (name.to_owned(), value.to_owned())));
    deployments.push(complete);
    for Deployment { name, parameters, .. } in &deployments {
        let broken = parameters.iter().flat_map(|(name, value)| {
            let parameter = &template.json()["Parameters"][name];
            broken_constraints(name, parameter, value)
        });
        violations.extend(broken.map(|broken| format!("the deployment {name}: {broken}")));
    }
    // CloudFormation refuses the others until an operator has completed the settings.
    deployments.retain(|deployment| broken_rules(template, deployment).is_empty());
    if !deployments.iter().any(|deployment| deployment.name == "complete production") {
        violations.push("the complete production deployment breaks a rule of the template".to_owned());
    }
    deployments
}

/// Coverage goals of the deployments: all four pairs of values of each two conditions, and each sample. A parameter that can be
/// empty and that no condition tests counts as a condition, too.
struct Goals {
    conditions: Vec<String>,
    /// Number of conditions of the template; the others are parameters.
    named: usize,
    samples: Vec<(String, String)>,
}

impl Goals {
    fn new(template: &Template, samples: &Samples) -> Self {
        let tests = template.json()["Conditions"].to_string();
        let conditions = template.json()["Conditions"].as_object().into_iter().flatten();
        let mut conditions: Vec<_> = conditions.map(|(name, _)| name.clone()).collect();
        let named = conditions.len();
        let is_untested = |(name, values): &(&String, &Vec<String>)| {
            values.first().is_some_and(String::is_empty) && !tests.contains(&format!("\"{name}\""))
        };
        conditions.extend(samples.iter().filter(is_untested).map(|(name, _)| name.clone()));
        let samples =
            samples.iter().flat_map(|(name, values)| values.iter().map(|value| (name.clone(), value.clone())));
        Self { conditions, named, samples: samples.collect() }
    }

    /// Number of the goal that the condition `left` is `left_value` and `right` is `right_value`.
    fn pair(&self, left: usize, left_value: bool, right: usize, right_value: bool) -> usize {
        4 * (left * self.conditions.len() + right) + 2 * usize::from(left_value) + usize::from(right_value)
    }

    /// Returns the numbers of the goals that a deployment reaches.
    fn of(&self, template: &Template, deployment: &Deployment) -> Vec<usize> {
        let resolver = Resolver::new(template.json(), deployment);
        let is_set = |name: &String| deployment.parameters.get(name).is_some_and(|value| !value.is_empty());
        let (named, parameters) = self.conditions.split_at(self.named);
        let values: Vec<bool> =
            named.iter().map(|name| resolver.condition(name)).chain(parameters.iter().map(is_set)).collect();
        let mut reached = Vec::new();
        for right in 0..values.len() {
            reached.extend((0..right).map(|left| self.pair(left, values[left], right, values[right])));
        }
        let first = 4 * values.len() * values.len();
        let is_used = |(name, value): &(String, String)| {
            deployment.parameters.get(name) == Some(value) || (name == STACK_NAME && deployment.stack == *value)
        };
        reached.extend((first..).zip(&self.samples).filter(|(_, sample)| is_used(sample)).map(|(goal, _)| goal));
        reached
    }

    /// Returns the goals that are not covered.
    fn missing(&self, covered: &BTreeSet<usize>) -> BTreeSet<String> {
        let literal = |condition: usize, value: bool| {
            format!("{}{}", if value { "" } else { "not " }, self.conditions[condition])
        };
        let mut missing = BTreeSet::new();
        for right in 0..self.conditions.len() {
            for (left, values) in (0..right).flat_map(|left| [0, 1, 2, 3].map(|values| (left, values))) {
                let (left_value, right_value) = (values & 2 != 0, values & 1 != 0);
                if !covered.contains(&self.pair(left, left_value, right, right_value)) {
                    missing.insert(format!("{}, {}", literal(left, left_value), literal(right, right_value)));
                }
            }
        }
        let first = 4 * self.conditions.len() * self.conditions.len();
        let unused = (first..).zip(&self.samples).filter(|(goal, _)| !covered.contains(goal));
        missing.extend(unused.map(|(_, (name, value))| format!("{name}={value}")));
        missing
    }
}
