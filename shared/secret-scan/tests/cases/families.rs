//! The texts of `families.txt`: how databases, drivers, tools and people write a password, and what resembles it.

use serde_json::{Value, json};

use super::{change, find};

/// The item of a line, and whether it is to be refused; None for what is no case.
fn case(line: &str) -> Option<(Value, bool)> {
    let (refused, rest) =
        line.strip_prefix("+ ").map(|rest| (true, rest)).or(line.strip_prefix("- ").map(|rest| (false, rest)))?;
    let (field, text) = rest.split_once(' ').expect("a field and its text");
    let item = match field {
        "data" => json!({"data": serde_json::from_str::<Value>(text).expect("JSON")}),
        field => change(field, &unescape(text)),
    };
    Some((item, refused))
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(match (c, if c == '\\' { chars.next() } else { None }) {
            (_, Some('n')) => '\n',
            (_, Some('t')) => '\t',
            (_, Some(other)) => other,
            (c, None) => c,
        });
    }
    plain
}

#[test]
fn each_family_is_told_from_what_resembles_it() {
    let lines: Vec<&str> = include_str!("families.txt").lines().filter(|line| case(line).is_some()).collect();
    let wrong: Vec<&str> = lines
        .iter()
        .copied()
        .filter(|line| case(line).is_some_and(|(item, refused)| find(&item).is_some() != refused))
        .collect();
    assert!(wrong.is_empty(), "{} of {} are judged wrongly:\n{}", wrong.len(), lines.len(), wrong.join("\n"));
    assert!(lines.len() > 1000, "{} cases", lines.len());
}
