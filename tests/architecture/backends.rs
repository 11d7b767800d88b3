//! Who may name a concrete store, and how much may happen where one is chosen.

use std::collections::BTreeSet;

use crate::source::{SourceFile, file, functions, product, words};

/// The one function that people start, and that chooses stores in more places than its `main.rs`.
const LOCAL: &str = "local";

/// The traits that stores implement.
fn traits(storage: &[SourceFile]) -> BTreeSet<String> {
    let mut traits = BTreeSet::new();
    for file in storage {
        let code = file.code();
        let all: Vec<&str> = words(&code).collect();
        traits.extend(all.windows(3).filter(|words| words[..2] == ["pub", "trait"]).map(|words| words[2].to_owned()));
    }
    traits
}

/// The types that implement one of `traits`: the concrete stores.
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

/// The places in `file` that name one of `concrete`.
fn named(file: &SourceFile, concrete: &BTreeSet<String>) -> Vec<String> {
    let code = file.code();
    words(&code).filter(|word| concrete.contains(*word)).map(|word| format!("{}: {word}", file.path)).collect()
}

/// Whether a file may choose the stores.
fn chooses(path: &str) -> bool {
    path.starts_with("shared/src/storage/")
        || path.starts_with(&format!("functions/{LOCAL}/"))
        || (path.starts_with("functions/") && path.ends_with("/src/main.rs"))
}

/// What is wrong with the length of a `main.rs`, if anything.
fn too_long(file: &SourceFile) -> Option<String> {
    let lines = file.text.lines().count();
    (lines >= 30).then(|| format!("{} has {lines} lines", file.path))
}

#[test]
fn only_the_functions_mains_choose_a_store() {
    let storage = product("shared/src/storage");
    let concrete = concrete(&storage, &traits(&storage));
    for known in
        ["Embedded", "LibsqlSync", "FileDatabase", "Hrana", "MemoryRateLimiter", "PostgresAccounts", "RedisSessions"]
    {
        assert!(concrete.contains(known), "{known} is not among {concrete:?}");
    }
    let all = ["shared/src", "functions"].map(product);
    let others = all.iter().flatten().filter(|file| !chooses(&file.path));
    let found: Vec<String> = others.flat_map(|file| named(file, &concrete)).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn mains_are_short() {
    let functions = functions().into_iter().filter(|function| function != LOCAL);
    let mains = functions.map(|function| file(&format!("functions/{function}/src/main.rs")));
    let found: Vec<String> = mains.filter_map(|main| too_long(&main)).collect();
    assert!(found.is_empty(), "{found:#?}");
}

mod seen_to_fail {
    use super::*;

    fn written(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_store_is_known_by_what_it_implements() {
        let storage = [
            written("a.rs", "pub trait Sessions: Send {}\n// pub trait Nothing\ntrait Hidden {}"),
            written("b.rs", "impl Sessions for Redis {}\nimpl Debug for Other {}\nimpl Sessions for Mine<'_> {}"),
        ];
        assert_eq!(traits(&storage), BTreeSet::from(["Sessions".to_owned()]));
        let concrete = concrete(&storage, &traits(&storage));
        assert_eq!(concrete, BTreeSet::from(["Mine".to_owned(), "Redis".to_owned()]));
        let router = written("functions/auth/src/lib.rs", "use shared::storage::redis::Redis; // Mine");
        assert_eq!(named(&router, &concrete), ["functions/auth/src/lib.rs: Redis"]);
    }

    #[test]
    fn few_files_choose() {
        for path in
            ["functions/auth/src/main.rs", "functions/local/src/app.rs", "shared/src/storage/memory_rate_limiter.rs"]
        {
            assert!(chooses(path), "{path}");
        }
        for path in ["functions/auth/src/lib.rs", "functions/auth/src/login/main_page.rs", "shared/src/http/auth.rs"] {
            assert!(!chooses(path), "{path}");
        }
    }

    #[test]
    fn thirty_lines_are_too_many() {
        assert!(too_long(&written("main.rs", &"line\n".repeat(29))).is_none());
        assert!(too_long(&written("main.rs", &"line\n".repeat(30))).is_some());
    }
}
