//! Requirements of OWASP ASVS 5.0.0: `tests/attacks/ASVS.md` has one row for each requirement in scope, and the tests and files
//! that it names exist.

use crate::source::{file, is_file, words};

const TABLE: &str = "tests/attacks/ASVS.md";

/// Sections in scope, each with the levels of its requirements: `2.1 122` stands for 2.1.1 of level 1, and 2.1.2 and 2.1.3 of level
/// 2. Level 1 of all chapters; level 2 of V2, V4, V6 to V9 and V11 to V16. Source: the CSV file to which the table links.
const SCOPE: &str = "
    1.2 11111, 1.3 11, 1.5 1
    2.1 122, 2.2 112, 2.3 1222, 2.4 2
    3.2 11, 3.3 1, 3.4 11, 3.5 111
    4.1 122, 4.2 2, 4.3 22, 4.4 1222
    5.2 11, 5.3 11
    6.1 122, 6.2 111111112222, 6.3 1122, 6.4 1122, 6.5 22222, 6.6 222, 6.8 2222
    7.1 222, 7.2 1111, 7.3 22, 7.4 11222, 7.5 22, 7.6 22
    8.1 12, 8.2 112, 8.3 1, 8.4 2
    9.1 111, 9.2 1222
    10.4 11111
    11.1 22, 11.2 222, 11.3 112, 11.4 1222, 11.5 2, 11.6 2
    12.1 122, 12.2 11, 12.3 2222
    13.1 2, 13.2 22222, 13.3 22, 13.4 12222
    14.1 22, 14.2 1222, 14.3 122
    15.1 122, 15.2 122, 15.3 1222222
    16.1 2, 16.2 22222, 16.3 2222, 16.4 222, 16.5 222
";

/// Outcomes of requirements, as in the summary of the table.
const OUTCOMES: [&str; 4] = ["met by a test", "met by a file", "not applicable", "open"];

/// A row of the table.
struct Row<'t> {
    id: &'t str,
    level: &'t str,
    /// Last cell: the tests or files that meet the requirement, or the reason why none does.
    met_by: &'t str,
}

impl<'t> Row<'t> {
    /// Parses a line of the table. Returns `None` for every other line.
    fn parse(line: &'t str) -> Option<Self> {
        let cells: Vec<&str> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect();
        let [id, level, _, met_by] = *cells.as_slice() else { return None };
        id.starts_with(|first: char| first.is_ascii_digit()).then_some(Self { id, level, met_by })
    }

    /// Returns one of [`OUTCOMES`].
    fn outcome(&self) -> &'static str {
        match self.met_by {
            cell if cell.starts_with("open: ") => "open",
            cell if cell.starts_with("not applicable: ") => "not applicable",
            _ if self.evidence().any(|name| name.contains(": ")) => "met by a test",
            _ => "met by a file",
        }
    }

    /// Returns the texts in backticks: `file: test` or `file`.
    fn evidence(&self) -> impl Iterator<Item = &'t str> {
        self.met_by.split('`').skip(1).step_by(2)
    }
}

/// Returns id and level of each requirement in scope.
fn required() -> Vec<(String, String)> {
    let sections = SCOPE.split([',', '\n']).filter_map(|section| section.trim().split_once(' '));
    let requirements = |(section, levels): (&'static str, &'static str)| {
        levels.chars().zip(1..).map(move |(level, number)| (format!("{section}.{number}"), level.to_string()))
    };
    sections.flat_map(requirements).collect()
}

/// Returns all mistakes of `table`.
fn violations(table: &str) -> Vec<String> {
    let rows: Vec<Row<'_>> = table.lines().filter_map(Row::parse).collect();
    [scope_violations(&rows), evidence_violations(&rows), count_violations(table, &rows)].concat()
}

/// Returns the requirements that do not have exactly one row, and the rows that are about no requirement in scope.
fn scope_violations(rows: &[Row<'_>]) -> Vec<String> {
    let required = required();
    let rows: Vec<_> = rows.iter().map(|row| (row.id.to_owned(), row.level.to_owned())).collect();
    let count = |requirement: &(String, String)| rows.iter().filter(|row| *row == requirement).count();
    let wrong = required.iter().filter(|requirement| count(requirement) != 1);
    let wrong = wrong.map(|(id, level)| format!("{id}, level {level}: there must be one row"));
    let unknown = rows.iter().filter(|row| !required.contains(row));
    let unknown = unknown.map(|(id, level)| format!("{id}, level {level}: not in scope"));
    wrong.chain(unknown).collect()
}

/// Returns the tests and files that rows name and that do not exist, and the rows that should name some and do not.
fn evidence_violations(rows: &[Row<'_>]) -> Vec<String> {
    let met = rows.iter().filter(|row| row.outcome().starts_with("met "));
    let violations = met.flat_map(|row| {
        let missing = row.evidence().filter(|evidence| !exists(evidence));
        let missing = missing.map(|evidence| format!("{}: `{evidence}` does not exist", row.id));
        let nothing = row.evidence().next().is_none().then(|| format!("{}: names no test or file", row.id));
        missing.chain(nothing)
    });
    violations.collect()
}

/// Returns the lines that the summary should have and does not.
fn count_violations(table: &str, rows: &[Row<'_>]) -> Vec<String> {
    let count = |outcome: &str| rows.iter().filter(|row| row.outcome() == outcome).count();
    let lines = OUTCOMES.map(|outcome| format!("| {outcome} | {} |", count(outcome)));
    let missing = lines.into_iter().filter(|line| table.lines().all(|other| other != line));
    missing.map(|line| format!("the summary lacks the line {line}")).collect()
}

/// Returns whether the file, and the test in it, of `file: test` or `file` exist.
fn exists(evidence: &str) -> bool {
    match evidence.split_once(": ") {
        Some((path, test)) => is_file(path) && has_test(&file(path).text, test),
        None => is_file(evidence),
    }
}

/// Returns whether `text` has a test `name`: a function with a test attribute, or a contract that `contract_tests!` lists.
fn has_test(text: &str, name: &str) -> bool {
    let Some((before, _)) = text.split_once(&format!("fn {name}(")) else { return false };
    let before = before.trim_end().trim_end_matches("async").trim_end();
    let mut attributes = before.lines().rev().map(str::trim).take_while(|line| line.starts_with("#["));
    let contracts = text.split_once("contract_tests! {").and_then(|(_, rest)| rest.split_once('}'));
    attributes.any(|line| line == "#[test]" || line.starts_with("#[tokio::test"))
        || contracts.is_some_and(|(list, _)| words(list).any(|word| word == name))
}

#[test]
fn the_table_is_complete_and_what_it_names_exists() {
    assert_eq!(violations(&file(TABLE).text), Vec::<String>::new());
}

mod check_tests {
    use super::*;

    #[test]
    fn every_mistake_is_found() {
        let table = file(TABLE).text;
        let row = table.lines().find(|line| line.starts_with("| 1.2.1 |")).expect("a row");
        for wrong in [
            String::new(),
            format!("{row}\n{row}"),
            row.replace("| 1 |", "| 2 |"),
            row.replace("1.2.1", "1.2.10"),
            row.replace(".rs: ", ".rs: no_"),
            row.replace("tests/", "no_tests/"),
            "| 1.2.1 | 1 | Output is encoded | none |".to_owned(),
            "| 1.2.1 | 1 | Output is encoded | open: nothing is encoded |".to_owned(),
        ] {
            assert_ne!(violations(&table.replace(row, &wrong)), violations(&table), "{wrong}");
        }
    }

    #[test]
    fn tests_have_an_attribute_or_are_contracts() {
        let text = "#[test]\nfn a() {}\n\nfn b() {}\n\nmod c {\n    #[tokio::test(flavor = \"multi_thread\")]\n    \
                    async fn d() {}\n}";
        assert_eq!(["a", "b", "c", "d"].map(|name| has_test(text, name)), [true, false, false, true]);
        let text = "crate::contract_tests! { $factory, sessions:\n    a,\n}\nasync fn a(factory: F) {}\n\
                    async fn b(factory: F) {}";
        assert_eq!(["a", "b"].map(|name| has_test(text, name)), [true, false]);
    }
}
