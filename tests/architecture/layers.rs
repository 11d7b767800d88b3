//! Layers of `shared`: models, the pure sync core, the storage traits, their backends.

use crate::source::{SourceFile, file, names, product, words};

/// Modules of `storage` that define traits. The others implement them.
const TRAITS: [&str; 6] = ["accounts", "error", "mod", "outbox", "sessions", "sync"];

/// Words that make code impure: its result would depend on more than its arguments.
const IMPURE: [&str; 12] =
    ["async", "await", "tokio", "clock", "Clock", "SystemTime", "Instant", "Random", "fs", "net", "env", "thread"];

/// Returns the module in a file of `shared/src` or `shared/secret-scan/src`, as names from the crate's root.
pub(crate) fn module(path: &str) -> Vec<String> {
    let path = path.trim_start_matches("shared/").trim_start_matches("secret-scan/").trim_start_matches("src/");
    let path = path.trim_end_matches(".rs");
    let path = path.trim_end_matches("/mod");
    path.split('/').map(str::to_owned).collect()
}

/// Returns every path in `code` into the crate itself, as names from the crate's root.
pub(crate) fn paths(code: &str, module: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for root in ["crate", "super", "self"] {
        for (place, _) in code.match_indices(&format!("{root}::")) {
            let is_whole = !code[..place].ends_with(|before: char| before.is_alphanumeric() || before == '_');
            // The middle of a path, `a::super::`, was read with its start.
            if is_whole && !code[..place].ends_with("::") {
                read_tree(&code[place..], Vec::new(), &mut found);
            }
        }
    }
    found.iter().map(|path| absolute(path, module)).collect()
}

/// Reads one tree of names, `a::{b, c::d}`, and returns the rest of the code.
fn read_tree<'a>(code: &'a str, mut path: Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let mut rest = code.trim_start();
    loop {
        if let Some(inside) = rest.strip_prefix('{') {
            return read_branches(inside, &path, found);
        }
        let end = rest.find(|end: char| !end.is_alphanumeric() && end != '_' && end != '*').unwrap_or(rest.len());
        path.push(rest[..end].to_owned());
        rest = &rest[end..];
        match rest.strip_prefix("::") {
            Some(further) => rest = further,
            None => break,
        }
    }
    found.push(path);
    rest
}

fn read_branches<'a>(code: &'a str, path: &[String], found: &mut Vec<Vec<String>>) -> &'a str {
    let mut rest = code.trim_start();
    while !rest.is_empty() && !rest.starts_with('}') {
        let after = read_tree(rest, path.to_vec(), found);
        // Skips ` as name`.
        let comma = after.find([',', '}']).unwrap_or(after.len());
        rest = after[comma..].trim_start_matches(',').trim_start();
    }
    rest.strip_prefix('}').unwrap_or(rest)
}

/// Returns `path`, which is relative to `module`, as names from the crate's root.
fn absolute(path: &[String], module: &[String]) -> Vec<String> {
    let mut here = module.to_vec();
    let mut names = path.iter().peekable();
    while let Some(step) = names.next_if(|name| ["crate", "super", "self"].contains(&name.as_str())) {
        match step.as_str() {
            "crate" => here.clear(),
            "super" => drop(here.pop()),
            _ => {}
        }
    }
    here.extend(names.cloned());
    here
}

/// Returns the paths in `file` to modules that are not `allowed`.
fn forbidden_paths(file: &SourceFile, allowed: &[&str]) -> Vec<String> {
    let paths = paths(&file.code(), &module(&file.path)).into_iter();
    let is_allowed = |path: &Vec<String>| path.first().is_some_and(|first| allowed.contains(&first.as_str()));
    paths.filter(|path| !is_allowed(path)).map(|path| format!("{}: {}", file.path, path.join("::"))).collect()
}

/// Returns the paths in `file` to one of the `backends`, which are modules of `storage`.
fn backend_paths(file: &SourceFile, backends: &[String]) -> Vec<String> {
    let paths = paths(&file.code(), &module(&file.path)).into_iter();
    let leads_there =
        |path: &Vec<String>| path[0] == "storage" && path.get(1).is_some_and(|name| backends.contains(name));
    paths.filter(leads_there).map(|path| format!("{}: {}", file.path, path.join("::"))).collect()
}

/// Returns the words in `file` that make it impure.
fn impure_words(file: &SourceFile) -> Vec<String> {
    let code = file.code();
    words(&code).filter(|word| IMPURE.contains(word)).map(|word| format!("{}: {word}", file.path)).collect()
}

fn trait_files() -> Vec<SourceFile> {
    TRAITS.map(|name| file(&format!("shared/src/storage/{name}.rs"))).into()
}

fn backends() -> Vec<String> {
    let modules = names("shared/src/storage").into_iter().map(|name| name.trim_end_matches(".rs").to_owned());
    modules.filter(|name| !TRAITS.contains(&name.as_str())).collect()
}

fn assert_none(found: Vec<String>) {
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn models_depend_on_no_other_module() {
    assert_none(product("shared/src/models").iter().flat_map(|file| forbidden_paths(file, &["models"])).collect());
}

#[test]
fn the_sync_core_depends_on_models_only() {
    assert_none(
        product("shared/src/sync").iter().flat_map(|file| forbidden_paths(file, &["models", "sync"])).collect(),
    );
}

#[test]
fn storage_traits_depend_on_models_and_the_core_only() {
    assert_none(trait_files().iter().flat_map(|file| forbidden_paths(file, &["models", "sync", "storage"])).collect());
    assert_none(trait_files().iter().flat_map(|file| backend_paths(file, &backends())).collect());
    assert!(backends().len() >= 3, "{:?}", backends());
}

#[test]
fn the_sync_core_is_pure() {
    assert_none(product("shared/src/sync").iter().flat_map(impure_words).collect());
}

mod check_tests {
    use super::*;

    fn source_file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: format!("shared/src/{path}"), text: text.to_owned() }
    }

    #[test]
    fn every_form_of_forbidden_path_is_found() {
        for text in [
            "use crate::sync::Plan;",
            "use crate::{models::Item, http::ApiError};",
            "use super::super::storage;",
            "fn f() -> crate::storage::StoreResult<()> {}",
            "use super::{item::Item, super::clock::Clock};",
            "use crate::{models::{Item, Stored}, auth};",
        ] {
            assert_eq!(forbidden_paths(&source_file("models/item.rs", text), &["models"]).len(), 1, "{text}");
        }
        assert_eq!(forbidden_paths(&source_file("models/mod.rs", "use super::sync::Plan;"), &["models"]).len(), 1);
    }

    #[test]
    fn allowed_paths_pass() {
        for text in [
            "use super::{Item, limits};",
            "pub(crate) use crate::models::{Item, Stored as Kept};",
            "pub(super) fn f(item: self::Item) {}",
            "// see crate::sync\nlet a = \"crate::sync::Plan\"; use std::sync::Arc; use my_crate::sync;",
        ] {
            assert_eq!(
                forbidden_paths(&source_file("models/item.rs", text), &["models"]),
                Vec::<String>::new(),
                "{text}"
            );
        }
    }

    #[test]
    fn a_trait_that_depends_on_a_backend_is_found() {
        let backends = ["libsql".to_owned()];
        for text in
            ["use super::libsql::Row;", "use crate::storage::{libsql, StoreResult};", "use crate::storage::libsql::*;"]
        {
            assert_eq!(backend_paths(&source_file("storage/sync.rs", text), &backends).len(), 1, "{text}");
        }
        let fine =
            source_file("storage/mod.rs", "pub mod libsql; pub use sync::SyncStore; use self::error::StoreError;");
        assert_eq!(backend_paths(&fine, &backends), Vec::<String>::new());
    }

    #[test]
    fn impure_code_is_found() {
        for text in ["async fn f() {}", "tokio::spawn(f)", "use crate::clock::Clock;", "std::time::Instant::now()"] {
            assert!(!impure_words(&source_file("sync/plan.rs", text)).is_empty(), "{text}");
        }
        let fine = source_file("sync/plan.rs", "// by the clock\nlet asynchronous = \"no clock, no tokio\";");
        assert_eq!(impure_words(&fine), Vec::<String>::new());
    }
}
