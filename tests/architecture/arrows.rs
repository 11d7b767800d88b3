//! Which module of `shared` may name which.

use crate::source::{SourceFile, file, names, product, words};

/// Modules of `storage` that define traits. All others implement them.
const TRAITS: [&str; 6] = ["accounts", "error", "mod", "outbox", "sessions", "sync"];

/// What would make the sync core more than a function of its arguments.
const IMPURE: [&str; 12] =
    ["async", "await", "tokio", "clock", "Clock", "SystemTime", "Instant", "Random", "fs", "net", "env", "thread"];

/// The module that a file of `shared/src` holds, as the names from the crate's root.
pub(crate) fn module(path: &str) -> Vec<String> {
    let path = path.trim_start_matches("shared/src/").trim_end_matches(".rs");
    let path = path.trim_end_matches("/mod");
    path.split('/').map(str::to_owned).collect()
}

/// Every path in `code` into the crate itself, as the names from the crate's root.
pub(crate) fn paths(code: &str, module: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for root in ["crate", "super", "self"] {
        for (place, _) in code.match_indices(&format!("{root}::")) {
            let is_whole = !code[..place].ends_with(|before: char| before.is_alphanumeric() || before == '_');
            // `a::super::` goes on with what was found at its start.
            if is_whole && !code[..place].ends_with("::") {
                read_tree(&code[place..], Vec::new(), &mut found);
            }
        }
    }
    found.iter().map(|path| absolute(path, module)).collect()
}

/// Reads one tree of names, `a::{b, c::d}`, and returns what comes after it.
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
        // What is not understood, such as ` as name`, is passed over.
        let comma = after.find([',', '}']).unwrap_or(after.len());
        rest = after[comma..].trim_start_matches(',').trim_start();
    }
    rest.strip_prefix('}').unwrap_or(rest)
}

/// `path`, seen from `module`, as the names from the crate's root.
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

/// The paths in `file` that lead elsewhere than into the modules `allowed`.
fn astray(file: &SourceFile, allowed: &[&str]) -> Vec<String> {
    let paths = paths(&file.code(), &module(&file.path)).into_iter();
    let is_allowed = |path: &Vec<String>| path.first().is_some_and(|first| allowed.contains(&first.as_str()));
    paths.filter(|path| !is_allowed(path)).map(|path| format!("{}: {}", file.path, path.join("::"))).collect()
}

/// The paths in `file` that lead into one of the backends: the modules `backends` of `storage`.
fn into_backends(file: &SourceFile, backends: &[String]) -> Vec<String> {
    let paths = paths(&file.code(), &module(&file.path)).into_iter();
    let leads_there =
        |path: &Vec<String>| path[0] == "storage" && path.get(1).is_some_and(|name| backends.contains(name));
    paths.filter(leads_there).map(|path| format!("{}: {}", file.path, path.join("::"))).collect()
}

/// The words in `file` that no pure code holds.
fn impurities(file: &SourceFile) -> Vec<String> {
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

fn none(found: Vec<String>) {
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn models_know_nothing_of_the_rest() {
    none(product("shared/src/models").iter().flat_map(|file| astray(file, &["models"])).collect());
}

#[test]
fn the_sync_core_knows_only_models() {
    none(product("shared/src/sync").iter().flat_map(|file| astray(file, &["models", "sync"])).collect());
}

#[test]
fn the_traits_know_only_models_and_the_core() {
    none(trait_files().iter().flat_map(|file| astray(file, &["models", "sync", "storage"])).collect());
    none(trait_files().iter().flat_map(|file| into_backends(file, &backends())).collect());
    assert!(backends().len() >= 3, "{:?}", backends());
}

#[test]
fn the_sync_core_is_pure() {
    none(product("shared/src/sync").iter().flat_map(impurities).collect());
}

mod seen_to_fail {
    use super::*;

    fn written(path: &str, text: &str) -> SourceFile {
        SourceFile { path: format!("shared/src/{path}"), text: text.to_owned() }
    }

    #[test]
    fn every_way_out_of_the_models_is_found() {
        for text in [
            "use crate::sync::Plan;",
            "use crate::{models::Item, http::ApiError};",
            "use super::super::storage;",
            "fn f() -> crate::storage::StoreResult<()> {}",
            "use super::{item::Item, super::clock::Clock};",
            "use crate::{models::{Item, Stored}, auth};",
        ] {
            assert_eq!(astray(&written("models/item.rs", text), &["models"]).len(), 1, "{text}");
        }
        assert_eq!(astray(&written("models/mod.rs", "use super::sync::Plan;"), &["models"]).len(), 1);
    }

    #[test]
    fn what_stays_inside_is_let_through() {
        for text in [
            "use super::{Item, limits};",
            "pub(crate) use crate::models::{Item, Stored as Kept};",
            "pub(super) fn f(item: self::Item) {}",
            "// see crate::sync\nlet a = \"crate::sync::Plan\"; use std::sync::Arc; use my_crate::sync;",
        ] {
            assert_eq!(astray(&written("models/item.rs", text), &["models"]), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn a_trait_that_knows_a_backend_is_found() {
        let backends = ["libsql".to_owned()];
        for text in
            ["use super::libsql::Row;", "use crate::storage::{libsql, StoreResult};", "use crate::storage::libsql::*;"]
        {
            assert_eq!(into_backends(&written("storage/sync.rs", text), &backends).len(), 1, "{text}");
        }
        let fine = written("storage/mod.rs", "pub mod libsql; pub use sync::SyncStore; use self::error::StoreError;");
        assert_eq!(into_backends(&fine, &backends), Vec::<String>::new());
    }

    #[test]
    fn what_is_not_pure_is_found() {
        for text in ["async fn f() {}", "tokio::spawn(f)", "use crate::clock::Clock;", "std::time::Instant::now()"] {
            assert!(!impurities(&written("sync/plan.rs", text)).is_empty(), "{text}");
        }
        let fine = written("sync/plan.rs", "// by the clock\nlet asynchronous = \"no clock, no tokio\";");
        assert_eq!(impurities(&fine), Vec::<String>::new());
    }
}
