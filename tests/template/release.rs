//! Tests of the documented commands that name a release: the SAM CLI reads the name that they write, for any commit.

use std::path::Path;
use std::process::Command;

use tests::python_tool;

use crate::settings::source;

/// Documents with such a command.
const DOCUMENTS: [&str; 2] = ["functions/README.md", ".github/workflows/deploy.yml"];

/// Descriptions of commits. Some are numbers in YAML: with an exponent, beyond its range, octal and binary ones.
const COMMITS: [&str; 7] =
    ["1a2b3c4-dirty", "v1.2.0-3-g1a2b3c4", "1234567", "1234e56", "8e33467", "0260995", "0b10110"];

/// Prints the parameters that the SAM CLI reads from the files that are named on the command line.
const READ: &str = "
import sys
from samcli.cli.types import CfnParameterOverridesType
for file in sys.argv[1:]:
    print(CfnParameterOverridesType().convert(['file://' + file], None, None)['Release'])
";

/// Returns the commands of a document.
fn commands(document: &str) -> Vec<String> {
    let text = source(document);
    let ends = text.match_indices("echo \"Release: ").filter_map(|(start, _)| {
        let length = text[start..].find("release.yaml")? + "release.yaml".len();
        Some(text[start..start + length].to_owned())
    });
    ends.collect()
}

/// Runs `command` in `folder`, with a description of the commit by git.
fn run(command: &str, commit: &str, folder: &Path) {
    std::fs::create_dir_all(folder.join(".aws-sam")).expect("the folder is writable");
    let script = format!("git() {{ echo '{commit}'; }}\n{command}");
    let status = Command::new("bash").args(["-euc", &script]).current_dir(folder).status();
    assert!(status.expect("bash runs").success(), "{command}");
}

#[test]
fn every_commit_can_be_the_name_of_a_release() {
    let folder = tests::scratch_dir();
    let (mut files, mut expected) = (Vec::new(), Vec::new());
    for document in DOCUMENTS {
        let commands = commands(document);
        assert!(!commands.is_empty(), "{document} has no such command");
        for (command, commit) in commands.iter().flat_map(|command| COMMITS.map(|commit| (command, commit))) {
            let place = folder.path().join(files.len().to_string());
            run(command, commit, &place);
            files.push(place.join(".aws-sam/release.yaml"));
            let suffix = if command.contains("-restored") { "-restored" } else { "" };
            expected.push(format!("{commit}{suffix}"));
        }
    }
    let read = Command::new(python_tool("python")).args(["-c", READ]).args(&files).output().expect("Python runs");
    let names: Vec<_> = std::str::from_utf8(&read.stdout).expect("text").lines().map(str::to_owned).collect();
    assert_eq!(names, expected, "{}", String::from_utf8_lossy(&read.stderr));
}
