//! Dependencies between the crates.

use crate::source::{SourceFile, file, functions, names};

/// The crate that combines all functions.
const LOCAL: &str = "local";

/// Returns the names of the crates that `manifest` depends on, and the folders of path dependencies.
fn dependencies(manifest: &SourceFile) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in manifest.text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            inside = section.ends_with("dependencies");
            // `[dependencies.name]`
            found.extend(section.split_once("dependencies.").map(|(_, name)| name.to_owned()));
        } else if inside && !line.starts_with('#') {
            found.extend(line.split(['.', '=']).next().map(|name| name.trim().trim_matches('"').to_owned()));
        }
        let quoted = |key: &str| line.split_once(key)?.1.split('"').nth(1).map(str::to_owned);
        let path = quoted("path = ").filter(|_| inside);
        found.extend(path.and_then(|path| path.rsplit('/').next().map(str::to_owned)));
        found.extend(quoted("package = ").filter(|_| inside));
    }
    found.retain(|name| !name.is_empty());
    found
}

/// Returns a message for each of `functions` that `manifest` depends on.
fn functions_in(manifest: &SourceFile, functions: &[String]) -> Vec<String> {
    let dependencies = dependencies(manifest).into_iter().filter(|name| functions.contains(name));
    dependencies.map(|name| format!("{} depends on {name}", manifest.path)).collect()
}

#[test]
fn functions_do_not_depend_on_each_other() {
    let all = functions();
    let others = all.iter().filter(|function| *function != LOCAL);
    let manifests = others.map(|function| format!("functions/{function}/Cargo.toml"));
    let manifests = manifests.chain(["shared/Cargo.toml".to_owned()]).map(|path| file(&path));
    let found: Vec<String> = manifests.flat_map(|manifest| functions_in(&manifest, &all)).collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// Returns whether `function` has a library.
fn is_library(function: &str) -> bool {
    names(&format!("functions/{function}/src")).contains(&"lib.rs".to_owned())
}

#[test]
fn the_local_server_depends_on_every_function() {
    let local = file(&format!("functions/{LOCAL}/Cargo.toml"));
    let dependencies = dependencies(&local);
    let all = functions().into_iter().filter(|function| function != LOCAL && is_library(function));
    let all: Vec<String> = all.collect();
    assert!(all.len() >= 6, "{all:?}");
    let missing: Vec<String> = all.into_iter().filter(|function| !dependencies.contains(function)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

mod check_tests {
    use super::*;

    #[test]
    fn every_kind_of_dependency_is_found() {
        let functions = ["auth".to_owned(), "upload".to_owned()];
        for text in [
            "[dependencies]\nauth.workspace = true",
            "[dependencies]\nauth = { workspace = true }",
            "[dev-dependencies]\n\"auth\" = \"1\"",
            "[build-dependencies]\nother = { path = \"../auth\" }",
            "[target.'cfg(unix)'.dependencies]\nother = { package = \"auth\", version = \"1\" }",
            "[dependencies.auth]\nworkspace = true",
        ] {
            let manifest = SourceFile { path: "Cargo.toml".to_owned(), text: text.to_owned() };
            assert_eq!(functions_in(&manifest, &functions), ["Cargo.toml depends on auth"], "{text}");
        }
    }

    #[test]
    fn similar_names_pass() {
        let text = "[package]\nname = \"auth\"\n[dependencies]\n# upload.workspace = true\nauthority.workspace = true\n\
                    shared = { workspace = true }\n[features]\nupload = []";
        let manifest = SourceFile { path: "Cargo.toml".to_owned(), text: text.to_owned() };
        assert_eq!(functions_in(&manifest, &["auth".to_owned(), "upload".to_owned()]), Vec::<String>::new());
        assert_eq!(dependencies(&manifest), ["authority", "shared"]);
    }
}
