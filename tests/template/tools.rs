//! Checks with `sam validate` and cfn-lint. cfn-lint runs on the expanded template, because it does not check resources
//! that SAM adds.

use std::path::Path;
use std::process::Command;

use tempfile::NamedTempFile;
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
    let expanded = write(&template);
    // SAM generates redundant dependencies (W3005), and leaves the mapping that it has used (W7001).
    run(Command::new(python_tool("cfn-lint")).args(["--ignore-checks", "W3005,W7001", "--"]).arg(expanded.path()))
}

/// Writes a template to a temporary file.
pub(crate) fn write(template: &Template) -> NamedTempFile {
    let file = NamedTempFile::with_suffix(".json").expect("the temporary file is created");
    std::fs::write(file.path(), template.json().to_string()).expect("the file is writable");
    file
}

/// Runs `command` and returns its output if it fails.
pub(crate) fn run(command: &mut Command) -> Vec<String> {
    let output = command.output().expect("the tool is installed by `tests/run template`");
    let messages = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    if output.status.success() { Vec::new() } else { vec![messages.concat()] }
}
