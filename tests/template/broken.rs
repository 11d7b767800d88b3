//! The template, broken in one place at a time.

use crate::CHECKS;

/// What stands in the template, what is written instead, and a piece of what is said of that.
const BREAKS: [(&str, &str, &str); 26] = [
    // A word that is none, found by `sam validate`.
    ("Type: AWS::Serverless::Api\n", "Type: AWS::Serverless::Gateway\n", "Gateway"),
    // A reference to nothing, a runtime, and a size that do not exist, found in what CloudFormation gets.
    ("Value: !Ref MissedRuns", "Value: !Ref LostRuns", "LostRuns"),
    ("Runtime: provided.al2023", "Runtime: provided.al2030", "provided.al2030"),
    ("MemorySize: 1024", "MemorySize: 64", "64 is less than"),
    // What does not fit the code, or what the tools do not look at.
    ("rate(1 minute)", "rate(1 minutes)", "comes at no time"),
    ("Path: '/api/sync/upload' }", "Path: '/api/sync/uploads' }", "a route is missing: (\"upload\", \"post\""),
    ("Path: '/health', Auth: { ApiKeyRequired: false }", "Path: '/health'", "a route is missing: (\"health\", \"get\""),
    (
        "          CONFLICT_STRATEGY: !Ref ConflictStrategy\n",
        "",
        "a variable of upload is missing: \"CONFLICT_STRATEGY\"",
    ),
    ("        RUST_LOG: info", "        RUST_LOGS: info", "a variable of purge is too much: \"RUST_LOGS\""),
    (
        "Action: secretsmanager:GetSecretValue",
        "Action: 'secretsmanager:*'",
        "a permission of auth is too much: (\"secretsmanager:*\"",
    ),
    ("secret:${SecretName}'", "secret:${Stage}'", "is told of another secret"),
    ("            DeadLetterConfig: { Arn: !GetAtt MissedRuns.Arn }\n", "", "misses are lost"),
    ("            OmitName: true\n", "", "two stacks of an account"),
    ("\"code\":\"SERVICE_UNAVAILABLE\"", "\"code\":\"OUT\"", "DEFAULT_5XX has another shape"),
    ("{ Binary: purge }", "{ Binary: purger }", "a function is missing: \"purge\""),
    (
        "!Ref CorsOrigins, !Ref ConflictStrategy, ",
        "!Ref ConflictStrategy, ",
        "a parameter in the version of upload is missing",
    ),
    ("Properties: { RetentionInDays: !Ref LogRetentionDays }", "Properties: {}", "is kept for ever"),
    // Telemetry: what is allowed and published for it.
    (
        "Action: [xray:PutTraceSegments, xray:PutTelemetryRecords]",
        "Action: 'xray:*'",
        "a permission of the telemetry policy is too much: (Some(\"HasTraces\"), (\"xray:*\"",
    ),
    ("!Ref TraceRatio, !Ref TelemetryLayers", "!Ref TelemetryLayers", "version of auth is missing: \"TraceRatio\""),
    (
        "!If [HasTelemetry, !GetAtt TelemetryPolicy.PolicyId, '']",
        "!Ref TelemetryLayers, !Ref TelemetryLayers, !Ref OtlpEndpoint",
        "the version of auth is described in",
    ),
    // Alarms that watch what is not measured, tell nobody, or tell what nobody understands.
    ("MetricName: mails_given_up", "MetricName: mails_lost", "watches mails_lost, which is not measured"),
    ("[!Ref AlarmTopicArn]", "[]", "the alarm ErrorRate tells nobody"),
    ("  PurgeOverdue:\n", "  PurgeLate:\n", "an alarm of the runbook is missing: \"PurgeLate\""),
    // The dashboard.
    ("\"widgets\": [\n", "\"widgets\":\n", "the dashboard is no JSON"),
    ("\"title\": \"Requests\",", "", "a widget has no title"),
    (
        "function,route,outcome} MetricName=\\\"request_ms",
        "function} MetricName=\\\"request_ms",
        "watches request_ms by [\"function\"]",
    ),
];

#[test]
fn every_break_is_found() {
    let whole = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml")).expect("a file");
    let look = |&(before, after, said): &(&str, &str, &str)| {
        assert!(whole.contains(before), "{before} is not in the template");
        let file = tempfile::NamedTempFile::with_suffix(".yaml").expect("a temporary file can be made");
        std::fs::write(file.path(), whole.replacen(before, after, 1)).expect("it can be written");
        let mut faults = CHECKS.iter().flat_map(|check| check(file.path()));
        let is_found = faults.any(|fault| fault.contains(said));
        (!is_found).then(|| format!("{before} became {after:?}, and nobody said {said}"))
    };
    // The tools are slow to start: one runs on each processor.
    let missed: Vec<String> = std::thread::scope(|scope| {
        let split = BREAKS.chunks(BREAKS.len().div_ceil(2));
        let split = split.map(|half| scope.spawn(move || half.iter().filter_map(look).collect::<Vec<_>>()));
        split.collect::<Vec<_>>().into_iter().flat_map(|half| half.join().expect("it came to its end")).collect()
    });
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
