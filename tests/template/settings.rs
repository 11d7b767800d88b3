//! Which variables a function reads.

use std::collections::BTreeSet;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What the code of a function says, and the variable that is read by it.
const READ_BY: [(&str, &str); 7] = [
    ("lambda::serve", "AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH"),
    ("telemetry::start", "RUST_LOG"),
    ("Settings::load", "SECRETS_ARN"),
    ("Frame::of", "CORS_ORIGINS"),
    (".brand()", "PUBLIC_URL"),
    ("mailer(", "MAIL_FROM"),
    ("default_strategy", "CONFLICT_STRATEGY"),
];

/// What the secret holds, for every function.
pub(crate) const SECRET: [&str; 7] = [
    "DATABASE_URL",
    "TURSO_DATABASE_URL",
    "TURSO_AUTH_TOKEN",
    "REDIS_URL",
    "JWT_SECRET",
    "JWT_SECRET_PREVIOUS",
    "RESEND_API_KEY",
];

/// What is as it should be on AWS when nobody says anything.
const GOOD_BY_DEFAULT: [&str; 4] = ["DATA_DIR", "PRODUCT_URL", "RATE_LIMITS", "RESEND_URL"];

fn source(path: &str) -> String {
    std::fs::read_to_string(format!("{ROOT}/{path}")).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The variables that the function `name` reads and the template has to give.
pub(crate) fn read_by(name: &str) -> BTreeSet<&'static str> {
    let folder = std::fs::read_dir(format!("{ROOT}/functions/{name}/src"));
    let files =
        folder.into_iter().flatten().map(|file| std::fs::read_to_string(file.expect("readable").path()).expect("text"));
    let code = files.collect::<String>();
    READ_BY.iter().filter(|(word, _)| code.contains(word)).map(|(_, variable)| *variable).chain(SECRET).collect()
}

/// Every word in capitals that stands in quotation marks, which is how variables are named.
fn named(code: &str) -> BTreeSet<&str> {
    let is_name = |text: &&str| text.len() > 3 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    code.split('"').filter(is_name).collect()
}

#[test]
fn every_setting_is_given_by_someone() {
    let config = source("shared/src/config.rs");
    let (code, _) = config.split_once("#[cfg(test)]").expect("it has tests");
    let known: BTreeSet<_> =
        READ_BY.iter().map(|(_, variable)| *variable).chain(SECRET).chain(GOOD_BY_DEFAULT).collect();
    let unknown: Vec<_> = named(code).difference(&known).copied().collect();
    assert_eq!(unknown, Vec::<&str>::new());
    assert!(named(code).len() > 15, "{:?}", named(code));
}
