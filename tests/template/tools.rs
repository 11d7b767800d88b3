//! `sam validate`, and cfn-lint on what CloudFormation gets: by itself it does not expand what SAM adds, and misses what
//! is wrong there.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use tests::{Template, python_tool};

/// What `sam validate` says of the template in `file`.
pub(crate) fn validate(file: &Path) -> Vec<String> {
    let mut validate = Command::new(python_tool("sam"));
    validate.args(["validate", "--template"]).arg(file);
    complaint(validate.env("SAM_CLI_TELEMETRY", "0").env("AWS_DEFAULT_REGION", "eu-central-1"))
}

/// What cfn-lint says of what CloudFormation gets of it.
pub(crate) fn lint(file: &Path) -> Vec<String> {
    let template = match Template::expand(file) {
        Ok(template) => template,
        Err(error) => return vec![error],
    };
    let mut expanded = tempfile::NamedTempFile::with_suffix(".json").expect("a temporary file can be made");
    expanded.write_all(template.json().to_string().as_bytes()).expect("it can be written");
    // SAM names dependencies that are there already by reference (W3005).
    complaint(Command::new(python_tool("cfn-lint")).args(["--ignore-checks", "W3005", "--"]).arg(expanded.path()))
}

/// What `command` says if it is not content.
fn complaint(command: &mut Command) -> Vec<String> {
    let output = command.output().expect("it runs: `tests/run template` brings it");
    let to_otel_span = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    if output.status.success() { Vec::new() } else { vec![to_otel_span.concat()] }
}
