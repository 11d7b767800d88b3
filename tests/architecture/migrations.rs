//! Migrations: every file is applied, in the order of the numbers.

use shared::storage::libsql::{EMBEDDED, Migration, SYNC};
use shared::storage::postgres::MIGRATIONS;

use crate::source::{files, names};

/// Returns the differences between the migrations that are `listed` and those that are `written`.
fn differences(written: &[String], listed: &[&str]) -> Vec<String> {
    let missing = written.iter().filter(|name| !listed.contains(&name.as_str()));
    let mut differences: Vec<String> = missing.map(|name| format!("{name} is never run")).collect();
    let unwritten = listed.iter().filter(|name| !written.iter().any(|written| written == *name));
    differences.extend(unwritten.map(|name| format!("{name} is not there")));
    let disorder = listed.windows(2).filter(|pair| pair[0] >= pair[1]);
    differences.extend(disorder.map(|pair| format!("{} comes after {}", pair[1], pair[0])));
    differences
}

/// Returns the names of the migrations in `folder`.
fn written(folder: &str) -> Vec<String> {
    let below = |path: &str| path.trim_start_matches("migrations/").trim_end_matches(".sql").to_owned();
    files(&format!("migrations/{folder}"), ".sql").iter().map(|file| below(&file.path)).collect()
}

fn listed(migrations: &[Migration]) -> Vec<&'static str> {
    migrations.iter().map(|migration| migration.name).collect()
}

#[test]
fn every_postgres_migration_is_compiled_in() {
    let compiled = MIGRATIONS.iter().map(|step| format!("postgres/{:04}_{}", step.version, step.description));
    assert_eq!(compiled.collect::<Vec<_>>(), written("postgres"));
}

#[test]
fn every_libsql_migration_is_listed() {
    for (folder, migrations) in [("libsql", SYNC), ("embedded", EMBEDDED)] {
        let written = written(folder);
        assert!(!written.is_empty(), "{folder}");
        assert_eq!(differences(&written, &listed(migrations)), Vec::<String>::new());
    }
}

#[test]
fn every_migration_folder_is_checked() {
    for folder in names("migrations").into_iter().filter(|name| !name.contains('.')) {
        let known = ["libsql", "embedded", "postgres"].contains(&folder.as_str());
        assert!(known, "who runs migrations/{folder}?");
    }
}

mod check_tests {
    use super::*;

    #[test]
    fn every_difference_is_found() {
        let written = ["a/1".to_owned(), "a/2".to_owned()];
        assert_eq!(differences(&written, &["a/1", "a/2"]), Vec::<String>::new());
        assert_eq!(differences(&written, &["a/1"]), ["a/2 is never run"]);
        assert_eq!(differences(&written, &["a/2", "a/1"]), ["a/1 comes after a/2"]);
        assert_eq!(differences(&written, &["a/1", "a/2", "a/3"]), ["a/3 is not there"]);
    }
}
