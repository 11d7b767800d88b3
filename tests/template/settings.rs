//! Which variables a function reads.

use std::collections::BTreeSet;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What the code of a function says, and the variable that is read by it, if only by what it depends on.
const READ_BY: [(&str, &str); 11] = [
    ("lambda::start", "RUST_LOG"),
    ("lambda::start", "METRICS_NAMESPACE"),
    ("lambda::start", "OTEL_EXPORTER_OTLP_ENDPOINT"),
    ("lambda::start", "OTEL_TRACES_SAMPLER"),
    ("lambda::start", "OTEL_TRACES_SAMPLER_ARG"),
    ("lambda::serve", "AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH"),
    ("lambda::settings", "SECRETS_ARN"),
    ("Frame::of", "CORS_ORIGINS"),
    (".brand()", "PUBLIC_URL"),
    ("mailer(", "MAIL_FROM"),
    ("default_strategy", "CONFLICT_STRATEGY"),
];

/// What Datadog's extension reads, beside whatever function it is a layer of.
const READ_BY_EXTENSION: [&str; 5] =
    ["DD_API_KEY_SECRET_ARN", "DD_SITE", "DD_ENV", "DD_SERVICE", "DD_OTLP_CONFIG_RECEIVER_PROTOCOLS_HTTP_ENDPOINT"];

/// What the secret holds, for every function.
pub(crate) const SECRET: [&str; 8] = [
    "DATABASE_URL",
    "TURSO_DATABASE_URL",
    "TURSO_AUTH_TOKEN",
    "REDIS_URL",
    "JWT_SECRET",
    "JWT_SECRET_PREVIOUS",
    "RESEND_API_KEY",
    "SENTRY_DSN",
];

/// What is as it should be on AWS when nobody says anything.
const GOOD_BY_DEFAULT: [&str; 5] =
    ["DATA_DIR", "PRODUCT_URL", "RATE_LIMITS", "RESEND_URL", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];

/// What Lambda gives each function, and what Cargo gives whatever it builds.
const GIVEN_ANYHOW: [&str; 2] = ["AWS_LAMBDA_FUNCTION_NAME", "CARGO_PKG_VERSION"];

fn source(path: &str) -> String {
    std::fs::read_to_string(format!("{ROOT}/{path}")).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The variables that the function `name` reads and the template has to give.
pub(crate) fn read_by(name: &str) -> BTreeSet<&'static str> {
    let folder = std::fs::read_dir(format!("{ROOT}/functions/{name}/src"));
    let files =
        folder.into_iter().flatten().map(|file| std::fs::read_to_string(file.expect("readable").path()).expect("text"));
    let code = files.collect::<String>();
    let read = READ_BY.iter().filter(|(word, _)| code.contains(word)).map(|(_, variable)| *variable);
    read.chain(READ_BY_EXTENSION).chain(SECRET).collect()
}

/// Every word in capitals that stands in quotation marks, which is how variables are named.
fn named(code: &str) -> BTreeSet<&str> {
    let is_name = |text: &&str| text.len() > 3 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    code.split('"').filter(is_name).collect()
}

#[test]
fn every_setting_is_given_by_someone() {
    let telemetry = std::fs::read_dir(format!("{ROOT}/shared/src/telemetry")).expect("a folder");
    let telemetry = telemetry.map(|file| file.expect("readable").file_name().into_string().expect("a name"));
    let files = telemetry.map(|name| format!("shared/src/telemetry/{name}")).chain(["shared/src/config.rs".to_owned()]);
    // Tests name what they like.
    let code: String =
        files.map(|file| source(&file).split("#[cfg(test)]").next().unwrap_or_default().to_owned()).collect();
    let given = READ_BY.iter().map(|(_, variable)| *variable).chain(SECRET);
    let known: BTreeSet<_> = given.chain(GOOD_BY_DEFAULT).chain(GIVEN_ANYHOW).collect();
    let unknown: Vec<_> = named(&code).difference(&known).copied().collect();
    assert_eq!(unknown, Vec::<&str>::new());
    assert!(named(&code).len() > 20, "{:?}", named(&code));
}
