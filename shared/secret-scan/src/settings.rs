//! Settings written as a statement without quotes: `SET fs.s3a.secret.key=…` of Spark and Databricks, `SET MYSQL_PWD=…` of a
//! shell.
//!
//! The value may hold signs that the lexer of statements does not keep together, so it is read as a text.

use super::{links::Link, names, pair_value};

/// Whether a line of `text` sets something named as a secret.
pub(super) fn has_secret(text: &str) -> bool {
    text.split(['\n', ';']).any(|line| {
        let line = line.trim_start();
        let rest = line.get(..4).filter(|head| head.eq_ignore_ascii_case("set ")).map(|_| line[4..].trim_start());
        rest.and_then(|rest| rest.split_once('=')).is_some_and(|(name, value)| sets(name, value))
    })
}

fn sets(name: &str, value: &str) -> bool {
    let bare = name.trim().trim_matches(['`', '"']);
    let value = value.trim();
    let dotted = bare.contains('.') && !bare.contains(char::is_whitespace);
    let variable = bare.len() > 3 && name.len() == bare.len() && bare.chars().all(is_variable);
    let (true, Some(verdict)) = (dotted || variable, names::classify(bare)) else {
        return false;
    };
    let link = if variable { Link::Tight } else { Link::Loose };
    pair_value::is_secret(verdict, link, value, dotted)
}

fn is_variable(c: char) -> bool {
    c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'
}
