//! Concrete stores: only `main.rs` of a function and the local server name them.

use std::collections::BTreeSet;

use crate::source::{SourceFile, file, functions, product, words};

/// The local server, which may name stores outside its `main.rs` too.
const LOCAL: &str = "local";

/// Returns the names of the traits that stores implement.
fn traits(storage: &[SourceFile]) -> BTreeSet<String> {
    let mut traits = BTreeSet::new();
    for file in storage {
        let code = file.code();
        let all: Vec<&str> = words(&code).collect();
        traits.extend(all.windows(3).filter(|words| words[..2] == ["pub", "trait"]).map(|words| words[2].to_owned()));
    }
    traits
}

/// Returns the types that implement one of `traits`: the concrete stores.
fn concrete(storage: &[SourceFile], traits: &BTreeSet<String>) -> BTreeSet<String> {
    let mut types = BTreeSet::new();
    for file in storage {
        let code = file.code();
        let all: Vec<&str> = words(&code).collect();
        let implements = |words: &&[&str]| words[0] == "impl" && traits.contains(words[1]) && words[2] == "for";
        types.extend(all.windows(4).filter(implements).map(|words| words[3].to_owned()));
    }
    types
}

/// Returns the names of concrete stores in `file`.
fn named(file: &SourceFile, concrete: &BTreeSet<String>) -> Vec<String> {
    let code = file.code();
    words(&code).filter(|word| concrete.contains(*word)).map(|word| format!("{}: {word}", file.path)).collect()
}

/// Returns whether a file may name concrete stores.
fn may_name_stores(path: &str) -> bool {
    path.starts_with("shared/src/storage/")
        || path.starts_with(&format!("functions/{LOCAL}/"))
        || (path.starts_with("functions/") && path.ends_with("/src/main.rs"))
}

/// Returns a message if a `main.rs` is too long.
fn too_long(file: &SourceFile) -> Option<String> {
    let lines = file.text.lines().count();
    (lines >= 30).then(|| format!("{} has {lines} lines", file.path))
}

#[test]
fn only_main_files_and_the_local_server_name_stores() {
    let storage = product("shared/src/storage");
    let concrete = concrete(&storage, &traits(&storage));
    for known in
        ["Embedded", "LibsqlSync", "FileDatabase", "Hrana", "MemoryRateLimiter", "PostgresAccounts", "RedisSessions"]
    {
        assert!(concrete.contains(known), "{known} is not among {concrete:?}");
    }
    let all = ["shared/src", "functions"].map(product);
    let others = all.iter().flatten().filter(|file| !may_name_stores(&file.path));
    let found: Vec<String> = others.flat_map(|file| named(file, &concrete)).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn main_files_have_fewer_than_thirty_lines() {
    let functions = functions().into_iter().filter(|function| function != LOCAL);
    let mains = functions.map(|function| file(&format!("functions/{function}/src/main.rs")));
    let found: Vec<String> = mains.filter_map(|main| too_long(&main)).collect();
    assert!(found.is_empty(), "{found:#?}");
}

mod check_tests {
    use super::*;

    fn source_file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_type_that_implements_a_store_trait_is_a_store() {
        let storage = [
            source_file("a.rs", "pub trait Sessions: Send {}\n// pub trait Nothing\ntrait Hidden {}"),
            source_file("b.rs", "impl Sessions for Redis {}\nimpl Debug for Other {}\nimpl Sessions for Mine<'_> {}"),
        ];
        assert_eq!(traits(&storage), BTreeSet::from(["Sessions".to_owned()]));
        let concrete = concrete(&storage, &traits(&storage));
        assert_eq!(concrete, BTreeSet::from(["Mine".to_owned(), "Redis".to_owned()]));
        let router = source_file("functions/auth/src/lib.rs", "use shared::storage::redis::Redis; // Mine");
        assert_eq!(named(&router, &concrete), ["functions/auth/src/lib.rs: Redis"]);
    }

    #[test]
    fn few_files_may_name_stores() {
        for path in
            ["functions/auth/src/main.rs", "functions/local/src/app.rs", "shared/src/storage/memory_rate_limiter.rs"]
        {
            assert!(may_name_stores(path), "{path}");
        }
        for path in ["functions/auth/src/lib.rs", "functions/auth/src/login/main_page.rs", "shared/src/http/auth.rs"] {
            assert!(!may_name_stores(path), "{path}");
        }
    }

    #[test]
    fn thirty_lines_are_too_many() {
        assert!(too_long(&source_file("main.rs", &"line\n".repeat(29))).is_none());
        assert!(too_long(&source_file("main.rs", &"line\n".repeat(30))).is_some());
    }
}
