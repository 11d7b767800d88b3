//! Mutation test of the checks: the template is broken in one place at a time.

use std::path::Path;
use std::sync::Mutex;

use crate::settings::source;
use crate::{Check, checkov, code_consistency, deployments, production, tools};

/// Text of the template, its replacement, and a part of the violation that a check must report.
type Mutation = (&'static str, &'static str, &'static str);

/// Mutations that `sam validate` and cfn-lint on the expanded template detect.
const DETECTED_BY_TOOLS: [Mutation; 4] = [
    // An unknown resource type.
    ("Type: AWS::Serverless::Api\n", "Type: AWS::Serverless::Gateway\n", "Gateway"),
    // An undefined reference, runtime and memory size.
    ("Value: !Ref MissedRuns", "Value: !Ref LostRuns", "LostRuns"),
    ("Runtime: provided.al2023", "Runtime: provided.al2030", "provided.al2030"),
    ("MemorySize: 1024", "MemorySize: 64", "64 is less than"),
];

/// Mutations that the own rules detect: inconsistencies with the code, and properties that the tools do not check.
const DETECTED_BY_RULES: [Mutation; 27] = [
    ("rate(1 minute)", "rate(1 minutes)", "has an invalid schedule expression"),
    ("Path: '/api/sync/upload' }", "Path: '/api/sync/uploads' }", "a route is missing: (\"upload\", \"post\""),
    ("Path: '/health', Auth: { ApiKeyRequired: false }", "Path: '/health'", "a route is missing: (\"health\", \"get\""),
    (
        "          CONFLICT_STRATEGY: !Ref ConflictStrategy\n",
        "",
        "a variable of upload is missing: \"CONFLICT_STRATEGY\"",
    ),
    ("        RUST_LOG: info", "        RUST_LOGS: info", "a variable of purge is unexpected: \"RUST_LOGS\""),
    (
        "Action: secretsmanager:GetSecretValue",
        "Action: 'secretsmanager:*'",
        "a permission of the functions is unexpected: (None, (\"secretsmanager:*\"",
    ),
    ("secret:${SecretName}'", "secret:${Stage}'", "reads another secret"),
    ("        DeadLetterConfig: { Arn: !GetAtt MissedRuns.Arn }\n", "", "has no dead-letter queue"),
    ("      ScheduleExpression: rate", "      Name: mail\n      ScheduleExpression: rate", "two stacks of an account"),
    ("    DependsOn: FirstPurge\n", "", "may start before the service is complete"),
    ("    DependsOn: DesktopKey\n", "", "may be the first resource of API Gateway in an account"),
    ("\"code\":\"SERVICE_UNAVAILABLE\"", "\"code\":\"OUT\"", "DEFAULT_5XX does not have the error schema"),
    ("{ Binary: purge }", "{ Binary: purger }", "a function is missing: \"purge\""),
    ("          - MonthlyBudget\n", "", "the parameter MonthlyBudget is in no group"),
    // Versions that do not change with the release or a parameter, or that block the next attempt.
    (
        "        - !Ref CorsOrigins\n",
        "",
        "a parameter in the property Settings of Migrations is missing: \"CorsOrigins\"",
    ),
    (
        "VersionDescription: !Sub '${Release}.${Migrations.Settings}'",
        "VersionDescription: !Ref Release",
        "a reference in the description of the version of auth is missing: \"Migrations.Settings\"",
    ),
    (
        "RELEASE: !Sub '${Release}.${Migrations.Settings}'",
        "RELEASE: !GetAtt Migrations.Settings",
        "a reference in the variable RELEASE of purge is missing: \"Release\"",
    ),
    ("VersionDeletionPolicy: Delete", "VersionDeletionPolicy: Retain", "remains after an update that is rolled back"),
    ("Properties: { RetentionInDays: !Ref LogRetentionDays }", "Properties: {}", "has no retention period"),
    (
        "Action: [xray:PutTraceSegments, xray:PutTelemetryRecords]",
        "Action: 'xray:*'",
        "a permission of the functions is unexpected: (Some(\"HasTraces\"), (\"xray:*\"",
    ),
    // Alarms on unknown metrics, without a notification, or without a runbook entry.
    (
        "MetricName: mails_given_up",
        "MetricName: mails_lost",
        "watches mails_lost, which is not a metric of the service",
    ),
    ("[!Ref AlarmTopicArn]", "[]", "the alarm ErrorRate does not notify"),
    (
        "EvaluationPeriods: 5\n      DatapointsToAlarm: 1\n",
        "EvaluationPeriods: 1\n",
        "the alarm AuthFailing evaluates only the newest period",
    ),
    ("  PurgeOverdue:\n", "  PurgeLate:\n", "an alarm of the runbook is missing: \"PurgeLate\""),
    // The dashboard.
    ("\"widgets\": [\n", "\"widgets\":\n", "the dashboard is not valid JSON"),
    ("\"title\": \"Requests\",", "", "a widget has no title"),
    (
        "function,route,outcome} MetricName=\\\"request_ms",
        "function} MetricName=\\\"request_ms",
        "watches request_ms with the dimensions [\"function\"]",
    ),
];

/// Mutations that the rules for production detect.
const DETECTED_IN_PRODUCTION: [Mutation; 10] = [
    ("    dev: { Enabled: 'false' }", "    dev: { Enabled: 'true' }", "dev has a canary deployment"),
    (
        "    production: { Enabled: 'true' }",
        "    production: { Enabled: 'false' }",
        "a canary deployment is missing: \"AuthFunction\"",
    ),
    ("Alarms: [!Ref UploadFailing]", "Alarms: [!Ref AuthFailing]", "no alarm of one minute on UploadFunction"),
    (
        "RuleCondition: !Equals [!Ref Stage, production]",
        "RuleCondition: !Equals [!Ref Stage, none]",
        "production can be deployed without a domain",
    ),
    (
        "      DisableExecuteApiEndpoint: !If [HasDomain, true, false]\n",
        "",
        "the default endpoint remains beside the domain",
    ),
    ("    Type: Number\n    Default: 0\n", "    Type: Number\n    Default: 50000\n", "has a quota by default"),
    ("      Value: !Sub '{{resolve", "      CustomerId: !Sub '{{resolve", "the value of DesktopKey does not survive"),
    ("      Description: !Sub 'Web application", "      Name: !Sub 'Web application", "WebKey cannot be replaced"),
    ("DependsOn: [FirstPurge, UsagePlan]", "DependsOn: UsagePlan", "PurgeOverdue is active on the first day"),
    (
        "AggregateKeyType: IP, EvaluationWindowSec: 300, Limit: !Ref CallsPerAddress }",
        "AggregateKeyType: IP, EvaluationWindowSec: 300, Limit: !Ref CallsPerAddress, ScopeDownStatement: {} }",
        "the firewall limits only some paths",
    ),
];

/// Mutations that the limits of AWS detect in the deployments with the shortest and the longest values.
const DETECTED_BY_LIMITS: [Mutation; 9] = [
    // References that only some deployments resolve, and values that break constraints or rules.
    (
        "Condition: HasDomain\n    Description: Target",
        "Description: Target",
        "a reference to Domain, which does not exist in this deployment",
    ),
    ("MaxLength: 64", "MaxLength: 5", "breaks its MaxLength"),
    (
        "    Description: Datadog site",
        "    Description: Site\n  New:\n    Type: String\n    Default: ''\n    Description: Site",
        "the parameter New has no samples",
    ),
    ("Assert: !Not [!Equals [!Ref CertificateArn, '']]", "Assert: !Condition HasDomain", "which rules do not support"),
    // Sizes.
    (
        "RUST_LOG: info",
        "RUST_LOG: !Join [',', [!Ref TelemetryLayers, !Ref TelemetryLayers]]",
        "the size of the environment of",
    ),
    // Limits of routes that do not exist, and values that do not fit together.
    ("/api/auth/login/POST:", "/api/auth/login/PUT:", "a limit applies to /api/auth/login/PUT"),
    ("ResourcePath: /~1ready", "ResourcePath: /~1steady", "a limit applies to /steady/GET"),
    ("ServiceTimeout: 960", "ServiceTimeout: 600", "Migrations times out after 600 s"),
    ("EvaluationPeriods: 26", "EvaluationPeriods: 200", "the alarm PurgeOverdue evaluates 720000 s"),
];

/// Mutations that cfn-lint detects only in resolved templates.
const DETECTED_BY_LINT: [Mutation; 2] = [
    (
        "AlarmDescription: 'More than 1 %",
        "AlarmName: !Sub '${AWS::StackName}-${AWS::StackName}'\n      AlarmDescription: 'More than 1 %",
        "is longer than 255",
    ),
    ("RetentionInDays: !Ref LogRetentionDays", "RetentionInDays: !Ref UserItems", "'2000000000' is not one of"),
];

/// Mutations that checkov detects.
const DETECTED_BY_CHECKOV: [Mutation; 1] =
    [("Principal: { Service: apigateway.amazonaws.com }", "Principal: { AWS: '*' }", "CKV_AWS_60")];

/// Mutations with the check that must detect them: no other runs.
fn mutations() -> Vec<(Check, Mutation)> {
    let group =
        |check: Check, mutations: &[Mutation]| mutations.iter().map(|mutation| (check, *mutation)).collect::<Vec<_>>();
    let groups = [
        group(checkov::violations, &DETECTED_BY_CHECKOV),
        group(deployments::lint_of_extremes, &DETECTED_BY_LINT),
        group(deployments::violations_of_extremes, &DETECTED_BY_LIMITS),
        group(production::violations, &DETECTED_IN_PRODUCTION),
        group(tools, &DETECTED_BY_TOOLS),
        group(code_consistency, &DETECTED_BY_RULES),
    ];
    groups.concat()
}

#[test]
fn every_mutation_is_detected() {
    let original = source("template.yaml");
    let undetected = |(check, (before, after, expected)): &(Check, Mutation)| {
        assert!(original.contains(before), "{before} is not in the template");
        let file = tempfile::NamedTempFile::with_suffix(".yaml").expect("the temporary file is created");
        std::fs::write(file.path(), original.replacen(before, after, 1)).expect("the file is writable");
        let violations = check(file.path());
        let is_detected = violations.iter().any(|violation| violation.contains(expected));
        (!is_detected).then(|| {
            format!("no check reports {expected:?} after {before:?} is replaced by {after:?}, but {violations:?}")
        })
    };
    // The tools start slowly: two of them run in parallel.
    let mutations = Mutex::new(mutations());
    let next = || mutations.lock().expect("no thread panics").pop();
    let run = || std::iter::from_fn(next).filter_map(|mutation| undetected(&mutation)).collect::<Vec<_>>();
    let missed: Vec<String> = std::thread::scope(|scope| {
        let threads = [scope.spawn(run), scope.spawn(run)];
        threads.into_iter().flat_map(|thread| thread.join().expect("the thread does not panic")).collect()
    });
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// Runs cfn-lint and `sam validate`.
fn tools(file: &Path) -> Vec<String> {
    let checks: [Check; 2] = [tools::lint, tools::validate];
    checks.into_iter().flat_map(|check| check(file)).collect()
}
