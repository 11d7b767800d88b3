//! Environment variables that each function reads.

use std::collections::BTreeSet;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Text in the code of a function, and the variable that this code reads, directly or through a dependency.
const VARIABLES_BY_CODE: [(&str, &str); 15] = [
    ("lambda::start", "RELEASE"),
    ("lambda::start", "RUST_LOG"),
    ("lambda::start", "METRICS_NAMESPACE"),
    ("lambda::start", "OTEL_EXPORTER_OTLP_ENDPOINT"),
    ("lambda::start", "OTEL_TRACES_SAMPLER"),
    ("lambda::start", "OTEL_TRACES_SAMPLER_ARG"),
    ("lambda::serve", "AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH"),
    ("lambda::env", "SECRETS_ARN"),
    ("lambda::env_with_public_url", "PUBLIC_URL_PARAMETER"),
    ("HttpConfig::from_env", "CORS_ORIGINS"),
    ("EmailConfig::from_env", "PUBLIC_URL"),
    ("EmailConfig::from_env", "MAIL_FROM"),
    ("SyncConfig::from_env", "CONFLICT_STRATEGY"),
    ("SyncConfig::", "USER_BYTES"),
    ("SyncConfig::", "USER_ITEMS"),
];

/// Variables that the Datadog extension reads in every function that has its layer.
const VARIABLES_OF_EXTENSION: [&str; 5] =
    ["DD_API_KEY_SECRET_ARN", "DD_SITE", "DD_ENV", "DD_SERVICE", "DD_OTLP_CONFIG_RECEIVER_PROTOCOLS_HTTP_ENDPOINT"];

/// Variables that the secret contains.
pub(crate) const SECRET_VARIABLES: [&str; 10] = [
    "DATABASE_URL",
    "DATABASE_URL_DIRECT",
    "DATABASE_ROOT_CERTIFICATE",
    "TURSO_DATABASE_URL",
    "TURSO_AUTH_TOKEN",
    "REDIS_URL",
    "JWT_SECRET",
    "JWT_SECRET_PREVIOUS",
    "RESEND_API_KEY",
    "SENTRY_DSN",
];

/// Variables whose default is correct on AWS.
const VARIABLES_WITH_DEFAULT: [&str; 7] = [
    "BREACHED_PASSWORDS",
    "BREACHED_PASSWORDS_URL",
    "DATA_DIR",
    "PRODUCT_URL",
    "RATE_LIMITS",
    "RESEND_URL",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
];

/// Variables that Lambda or Cargo sets.
const VARIABLES_OF_RUNTIME: [&str; 2] = ["AWS_LAMBDA_FUNCTION_NAME", "CARGO_PKG_VERSION"];

/// Reads a file of the project.
pub(crate) fn source(path: &str) -> String {
    std::fs::read_to_string(format!("{ROOT}/{path}")).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns the variables that the function `name` reads and the template must set.
pub(crate) fn variables_of(name: &str) -> BTreeSet<&'static str> {
    let folder = std::fs::read_dir(format!("{ROOT}/functions/{name}/src"));
    let files =
        folder.into_iter().flatten().map(|file| std::fs::read_to_string(file.expect("readable").path()).expect("text"));
    let code = files.collect::<String>();
    let read = VARIABLES_BY_CODE.iter().filter(|(word, _)| code.contains(word)).map(|(_, variable)| *variable);
    read.chain(VARIABLES_OF_EXTENSION).chain(SECRET_VARIABLES).collect()
}

/// Returns all string literals in capitals, the form of variable names.
fn variable_names(code: &str) -> BTreeSet<&str> {
    let is_name = |text: &&str| text.len() > 3 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    code.split('"').filter(is_name).collect()
}

#[test]
fn every_variable_in_the_code_has_a_source() {
    let files = ["shared/src/telemetry", "shared/src/config"].into_iter().flat_map(|folder| {
        let files = std::fs::read_dir(format!("{ROOT}/{folder}")).expect("the folder is readable");
        let names =
            files.map(|file| file.expect("readable").file_name().into_string().expect("the name is valid UTF-8"));
        names.filter(|name| name != "tests.rs").map(move |name| format!("{folder}/{name}"))
    });
    let files = files.chain(["shared/src/lambda/settings.rs".to_owned()]);
    // Unit tests may use any variable.
    let code: String =
        files.map(|file| source(&file).split("#[cfg(test)]").next().unwrap_or_default().to_owned()).collect();
    let provided = VARIABLES_BY_CODE.iter().map(|(_, variable)| *variable).chain(SECRET_VARIABLES);
    let known: BTreeSet<_> = provided.chain(VARIABLES_WITH_DEFAULT).chain(VARIABLES_OF_RUNTIME).collect();
    let unknown: Vec<_> = variable_names(&code).difference(&known).copied().collect();
    assert_eq!(unknown, Vec::<&str>::new());
    assert!(variable_names(&code).len() > 20, "{:?}", variable_names(&code));
}
