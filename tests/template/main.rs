//! Checks of the SAM template: validity according to the tools of AWS, and consistency with the code. A mutation test
//! verifies the checks.

mod boundaries;
mod checkov;
mod comparison;
mod deploy_role;
mod deployments;
mod identifiers;
mod limits;
mod line_length;
mod matrix;
mod monitoring;
mod mutations;
mod parameters;
mod production;
mod release;
mod resolution;
mod resolve;
mod rules;
mod settings;
mod tools;
mod versions;

use std::path::Path;

use tests::Template;

/// The project's template.
const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml");

/// Returns the violations of the template in a file.
type Check = fn(&Path) -> Vec<String>;

/// Checks of the template in a file: our own rules first, then the tools of AWS, which are slow.
const CHECKS: [Check; 4] = [code_consistency, production::violations, tools::lint, tools::validate];

fn code_consistency(file: &Path) -> Vec<String> {
    match Template::expand(file) {
        Ok(template) => [rules::violations, versions::violations, monitoring::violations]
            .iter()
            .flat_map(|violations| violations(&template))
            .collect(),
        Err(error) => vec![error],
    }
}

#[test]
fn the_template_is_valid_and_consistent_with_the_code() {
    let violations: Vec<String> = CHECKS.iter().flat_map(|check| check(Path::new(TEMPLATE))).collect();
    assert_eq!(violations, Vec::<String>::new());
}

#[test]
fn every_deployment_is_within_the_limits_of_aws() {
    let violations = deployments::violations(Path::new(TEMPLATE));
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}
