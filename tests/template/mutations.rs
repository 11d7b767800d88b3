//! Mutation test of the checks: the template is broken in one place at a time.

use crate::CHECKS;

/// Text of the template, its replacement, and a part of the violation that a check must report.
const MUTATIONS: [(&str, &str, &str); 26] = [
    // Detected by `sam validate`: an unknown resource type.
    ("Type: AWS::Serverless::Api\n", "Type: AWS::Serverless::Gateway\n", "Gateway"),
    // Detected by cfn-lint in the expanded template: an undefined reference, runtime and memory size.
    ("Value: !Ref MissedRuns", "Value: !Ref LostRuns", "LostRuns"),
    ("Runtime: provided.al2023", "Runtime: provided.al2030", "provided.al2030"),
    ("MemorySize: 1024", "MemorySize: 64", "64 is less than"),
    // Detected by our own rules: inconsistencies with the code, and properties that the tools do not check.
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
        "a permission of auth is unexpected: (\"secretsmanager:*\"",
    ),
    ("secret:${SecretName}'", "secret:${Stage}'", "reads another secret"),
    ("            DeadLetterConfig: { Arn: !GetAtt MissedRuns.Arn }\n", "", "has no dead-letter queue"),
    ("            OmitName: true\n", "", "two stacks of an account"),
    ("\"code\":\"SERVICE_UNAVAILABLE\"", "\"code\":\"OUT\"", "DEFAULT_5XX does not have the error schema"),
    ("{ Binary: purge }", "{ Binary: purger }", "a function is missing: \"purge\""),
    (
        "!Ref CorsOrigins, !Ref ConflictStrategy, ",
        "!Ref ConflictStrategy, ",
        "a parameter in the version of upload is missing",
    ),
    ("Properties: { RetentionInDays: !Ref LogRetentionDays }", "Properties: {}", "has no retention period"),
    // Telemetry: permissions and function versions.
    (
        "Action: [xray:PutTraceSegments, xray:PutTelemetryRecords]",
        "Action: 'xray:*'",
        "a permission of the telemetry policy is unexpected: (Some(\"HasTraces\"), (\"xray:*\"",
    ),
    ("!Ref TraceRatio, !Ref TelemetryLayers", "!Ref TelemetryLayers", "version of auth is missing: \"TraceRatio\""),
    (
        "!If [HasTelemetry, !GetAtt TelemetryPolicy.PolicyId, '']",
        "!Ref TelemetryLayers, !Ref TelemetryLayers, !Ref OtlpEndpoint",
        "the description of the version of auth has",
    ),
    // Alarms on unknown metrics, without a notification, or without a runbook entry.
    (
        "MetricName: mails_given_up",
        "MetricName: mails_lost",
        "watches mails_lost, which is not a metric of the service",
    ),
    ("[!Ref AlarmTopicArn]", "[]", "the alarm ErrorRate does not notify"),
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

#[test]
fn every_mutation_is_detected() {
    let original = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml"))
        .expect("the template is readable");
    let undetected = |&(before, after, expected): &(&str, &str, &str)| {
        assert!(original.contains(before), "{before} is not in the template");
        let file = tempfile::NamedTempFile::with_suffix(".yaml").expect("the temporary file is created");
        std::fs::write(file.path(), original.replacen(before, after, 1)).expect("the file is writable");
        let mut violations = CHECKS.iter().flat_map(|check| check(file.path()));
        let is_detected = violations.any(|violation| violation.contains(expected));
        (!is_detected).then(|| format!("no check reports {expected:?} after {before:?} is replaced by {after:?}"))
    };
    // The tools start slowly: two of them run in parallel.
    let missed: Vec<String> = std::thread::scope(|scope| {
        let halves = MUTATIONS.chunks(MUTATIONS.len().div_ceil(2));
        let halves = halves.map(|half| scope.spawn(move || half.iter().filter_map(undetected).collect::<Vec<_>>()));
        halves
            .collect::<Vec<_>>()
            .into_iter()
            .flat_map(|half| half.join().expect("the thread does not panic"))
            .collect()
    });
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
