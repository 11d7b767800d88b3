//! Checks with `sam validate` and cfn-lint. cfn-lint runs on the expanded template, because it does not check resources
//! that SAM adds.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use tests::{Template, python_tool};

/// Runs `sam validate` on the template in `file`.
pub(crate) fn validate(file: &Path) -> Vec<String> {
    let mut validate = Command::new(python_tool("sam"));
    validate.args(["validate", "--template"]).arg(file);
    run(validate.env("SAM_CLI_TELEMETRY", "0").env("AWS_DEFAULT_REGION", "eu-central-1"))
}

/// Runs cfn-lint on the expanded template.
pub(crate) fn lint(file: &Path) -> Vec<String> {
    let template = match Template::expand(file) {
        Ok(template) => template,
        Err(error) => return vec![error],
    };
    let mut expanded = tempfile::NamedTempFile::with_suffix(".json").expect("the temporary file is created");
    expanded.write_all(template.json().to_string().as_bytes()).expect("the file is writable");
    // SAM generates redundant dependencies (W3005), and leaves the mapping that it has used (W7001).
    run(Command::new(python_tool("cfn-lint")).args(["--ignore-checks", "W3005,W7001", "--"]).arg(expanded.path()))
}

/// Runs `command` and returns its output if it fails.
fn run(command: &mut Command) -> Vec<String> {
    let output = command.output().expect("the tool is installed by `tests/run template`");
    let messages = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    if output.status.success() { Vec::new() } else { vec![messages.concat()] }
}
