//! Checks of the SAM template: validity according to the tools of AWS, and consistency with the code. A mutation test
//! verifies the checks.

mod deploy_role;
mod line_length;
mod monitoring;
mod mutations;
mod rules;
mod settings;
mod tools;
mod versions;

use std::path::Path;

use tests::Template;

/// Checks of the template in a file: our own rules first, then the tools of AWS, which are slow.
const CHECKS: [fn(&Path) -> Vec<String>; 3] = [code_consistency, tools::lint, tools::validate];

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
    let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml"));
    let violations: Vec<String> = CHECKS.iter().flat_map(|check| check(file)).collect();
    assert_eq!(violations, Vec::<String>::new());
}
