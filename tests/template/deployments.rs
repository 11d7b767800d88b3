//! Deploys the template on paper: for each set of parameters of the matrix, resolves it and checks the result against
//! the limits of AWS and with cfn-lint.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value};
use tests::{Template, python_tool};

use crate::matrix::{all_samples, extremes, matrix, real_deployments};
use crate::resolve::{Deployment, resolve};
use crate::{limits, parameters};

/// Deployments with their resolved templates, and the violations found on the way.
struct Resolved {
    templates: Vec<(Deployment, Template)>,
    violations: Violations,
}

/// Names of the deployments that have a violation.
#[derive(Default)]
struct Violations(BTreeMap<String, Vec<String>>);

impl Violations {
    fn add(&mut self, deployment: &str, violations: Vec<String>) {
        for violation in violations {
            self.0.entry(violation).or_default().push(deployment.to_owned());
        }
    }

    /// Returns each violation once, with the first deployment that has it.
    fn lines(self) -> Vec<String> {
        let lines = self.0.into_iter().map(|(violation, names)| match names.as_slice() {
            [name] => format!("{violation} (in the deployment {name})"),
            [name, ..] => format!("{violation} (in {} deployments, such as {name})", names.len()),
            [] => violation,
        });
        lines.collect()
    }
}

/// Returns the limits that the deployments of the matrix exceed, and the violations of cfn-lint.
pub(crate) fn violations(file: &Path) -> Vec<String> {
    check(file, true, |template| {
        let matrix = matrix(template);
        (matrix.deployments, matrix.violations)
    })
}

/// Like [`violations`], for the deployments with the shortest and the longest values, and without cfn-lint.
pub(crate) fn violations_of_extremes(file: &Path) -> Vec<String> {
    check(file, false, |template| {
        let (samples, violations) = all_samples(template);
        (extremes(&samples).to_vec(), violations)
    })
}

/// Like [`violations_of_extremes`], but with cfn-lint alone.
pub(crate) fn lint_of_extremes(file: &Path) -> Vec<String> {
    let extremes = |template: &Template| (extremes(&all_samples(template).0).to_vec(), Vec::new());
    match resolved(file, extremes) {
        Ok(Resolved { templates, .. }) => lint(&templates).lines(),
        Err(error) => vec![error],
    }
}

/// Returns the resolved template of the production deployment with all features.
///
/// # Errors
/// Message of the expansion.
pub(crate) fn complete_production(file: &Path) -> Result<Template, String> {
    let select = |template: &Template| (real_deployments(template, &mut Vec::new()), Vec::new());
    let mut templates = resolved(file, select)?.templates;
    templates.pop().map(|(_, template)| template).ok_or_else(|| "there is no production deployment".to_owned())
}

type Select = fn(&Template) -> (Vec<Deployment>, Vec<String>);

fn check(file: &Path, with_lint: bool, select: Select) -> Vec<String> {
    match resolved(file, select) {
        Ok(Resolved { templates, mut violations }) => {
            for (deployment, template) in &templates {
                violations.add(&deployment.name, limits::violations(template));
            }
            if with_lint {
                violations.0.extend(lint(&templates).0);
                report(&templates);
            }
            violations.lines()
        }
        Err(error) => vec![error],
    }
}

/// Expands and resolves the template in `file` for the deployments that `select` returns.
fn resolved(file: &Path, select: Select) -> Result<Resolved, String> {
    let template = Template::expand(file)?;
    let (deployments, found) = select(&template);
    let mut violations = Violations::default();
    violations.0.extend(found.into_iter().map(|violation| (violation, Vec::new())));
    violations.add("every", parameters::rule_violations(&template));
    let sets: Vec<_> = deployments.iter().map(|deployment| deployment.parameters.clone()).collect();
    let mut templates = Vec::new();
    for (deployment, template) in deployments.into_iter().zip(Template::expand_with(file, &sets)?) {
        violations.add(&deployment.name, limits::template_violations(&template));
        let (resolved, unresolved) = resolve(&template, &deployment);
        violations.add(&deployment.name, unresolved);
        templates.push((deployment, resolved));
    }
    Ok(Resolved { templates, violations })
}

/// Runs cfn-lint once on all resolved templates. Resolved resources do not depend on each other, so only the first two
/// templates are checked as a whole; of the others, the resources that none before contains.
fn lint(templates: &[(Deployment, Template)]) -> Violations {
    let folder = tempfile::tempdir().expect("the folder is created");
    let mut seen = BTreeSet::new();
    for (number, (_, template)) in templates.iter().enumerate() {
        let resources = template.json()["Resources"].as_object().into_iter().flatten();
        let fresh = resources.filter(|(name, resource)| seen.insert(format!("{name} {resource}")) || number < 2);
        let mut fresh: Map<_, _> = fresh.map(|(name, resource)| (name.clone(), resource.clone())).collect();
        if number >= 2 {
            let names: BTreeSet<String> = fresh.keys().cloned().collect();
            fresh.values_mut().for_each(|resource| retain_dependencies(resource, &names));
        }
        if !fresh.is_empty() {
            let mut document = template.json().clone();
            document["Resources"] = fresh.into();
            std::fs::write(folder.path().join(format!("{number}.json")), document.to_string())
                .expect("the file is written");
        }
    }
    let files =
        std::fs::read_dir(folder.path()).expect("the folder is readable").map(|file| file.expect("readable").path());
    let mut lint = Command::new(python_tool("cfn-lint"));
    // SAM generates redundant dependencies (W3005).
    lint.args(["--regions", "eu-central-1", "--format", "json", "--ignore-checks", "W3005", "--"]).args(files);
    let output = lint.output().expect("the tool is installed by `tests/run template`");
    let messages: Vec<Value> = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let mut violations = Violations::default();
    for message in messages {
        let path = Path::new(message["Filename"].as_str().unwrap_or_default());
        let number: Option<usize> = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        let path: Vec<_> = message["Location"]["Path"].as_array().into_iter().flatten().map(Value::to_string).collect();
        let text = shortened(message["Message"].as_str().unwrap_or_default());
        let violation = format!("{} {text} at {}", message["Rule"]["Id"].as_str().unwrap_or_default(), path.join("/"));
        let name = number.and_then(|number| templates.get(number)).map_or("", |(deployment, _)| &deployment.name);
        violations.add(name, vec![violation.replace('"', "")]);
    }
    violations
}

/// Shortens the quoted values of a message.
fn shortened(message: &str) -> String {
    let value = |text: &str| {
        if text.len() > 40 { format!("{}…", text.chars().take(20).collect::<String>()) } else { text.to_owned() }
    };
    let parts = message.split('\'').enumerate();
    parts
        .map(|(number, part)| if number % 2 == 1 { value(part) } else { part.to_owned() })
        .collect::<Vec<_>>()
        .join("'")
}

fn retain_dependencies(resource: &mut Value, names: &BTreeSet<String>) {
    if let Some(dependencies) = resource.get_mut("DependsOn").and_then(Value::as_array_mut) {
        dependencies.retain(|name| name.as_str().is_some_and(|name| names.contains(name)));
    }
}

/// Prints the size of the matrix, and how full the fullest resource-based policy is.
#[expect(clippy::print_stdout, reason = "the figures are part of the output")]
fn report(templates: &[(Deployment, Template)]) {
    let names: Vec<_> = templates.iter().map(|(deployment, _)| deployment.name.as_str()).collect();
    println!("{} deployments: {}", names.len(), names.join(", "));
    let sizes = templates.iter().flat_map(|(deployment, template)| {
        limits::function_policy_sizes(template).into_iter().map(|(function, size)| (size, function, &deployment.name))
    });
    if let Some((size, function, deployment)) = sizes.max() {
        println!("fullest resource-based policy: {size} bytes, of {function} in {deployment}");
    }
}
