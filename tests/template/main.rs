//! The SAM template: what AWS's own tools say of it, and whether it fits the code. Broken in many ways, it is found out.

mod broken;
mod line_length;
mod rules;
mod settings;
mod tools;
mod versions;
mod watching;

use std::path::Path;

use tests::Template;

/// What finds faults of the template in a file: what the code asks for, then the tools of AWS, which are slow.
const CHECKS: [fn(&Path) -> Vec<String>; 3] = [of_the_code, tools::lint, tools::validate];

fn of_the_code(file: &Path) -> Vec<String> {
    match Template::expand(file) {
        Ok(template) => {
            [rules::faults, versions::faults, watching::faults].iter().flat_map(|faults| faults(&template)).collect()
        }
        Err(error) => vec![error],
    }
}

#[test]
fn the_template_is_whole_and_fits_the_code() {
    let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml"));
    let faults: Vec<String> = CHECKS.iter().flat_map(|check| check(file)).collect();
    assert_eq!(faults, Vec::<String>::new());
}
