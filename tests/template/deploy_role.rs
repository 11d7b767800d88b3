//! The role that deploys the template: it is valid, and has every permission that CloudFormation needs for the resources of the
//! template.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use tests::{Template, python_tool};

const ROLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../functions/deploy-role.yaml");

#[test]
fn the_deploy_role_is_valid() {
    let lint = Command::new(python_tool("cfn-lint")).arg(ROLE).output().expect("cfn-lint is installed");
    assert!(lint.status.success(), "{}", String::from_utf8_lossy(&lint.stdout));
}

#[test]
fn the_deploy_role_may_create_change_and_delete_every_resource() {
    let template = Template::expand(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml")));
    let mut expanded = tempfile::NamedTempFile::with_suffix(".json").expect("the temporary file is created");
    let json = template.expect("the template can be expanded").json().to_string();
    expanded.write_all(json.as_bytes()).expect("the file is writable");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/template/deploy_role.py");
    let missing = Command::new(python_tool("python")).arg(script).arg(expanded.path()).arg(ROLE).output();
    let missing = missing.expect("Python is installed");
    assert!(missing.status.success(), "{}", String::from_utf8_lossy(&missing.stderr));
    assert_eq!(String::from_utf8_lossy(&missing.stdout), "", "actions that the role lacks");
}
