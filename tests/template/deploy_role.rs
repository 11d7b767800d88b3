//! The role that deploys the template: it is valid, and has every permission that CloudFormation needs for the resources of the
//! template.

use std::path::Path;
use std::process::Command;

use tests::{Template, python_tool};

use crate::{TEMPLATE, tools};

const ROLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../functions/deploy-role.yaml");

#[test]
fn the_deploy_role_is_valid() {
    assert_eq!(tools::run(Command::new(python_tool("cfn-lint")).arg(ROLE)), Vec::<String>::new());
}

#[test]
fn the_deploy_role_may_create_change_and_delete_every_resource() {
    let template = Template::expand(Path::new(TEMPLATE)).expect("the template can be expanded");
    let expanded = tools::write(&template);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/template/deploy_role.py");
    let missing = Command::new(python_tool("python")).arg(script).arg(expanded.path()).arg(ROLE).output();
    let missing = missing.expect("Python is installed");
    assert!(missing.status.success(), "{}", String::from_utf8_lossy(&missing.stderr));
    assert_eq!(String::from_utf8_lossy(&missing.stdout), "", "actions that the role lacks");
}
